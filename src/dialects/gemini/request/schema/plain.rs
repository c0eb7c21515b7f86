//! Gemini's form of a schema as JSON Schema.

use serde_json::value::RawValue;

use super::{DEEPEST, TYPES, push_key, push_text};
use crate::dialects::gemini::wire::{Members, Word};

/// The schema as JSON Schema.
pub(super) fn schema(schema: &RawValue) -> Box<RawValue> {
    let mut out = String::with_capacity(schema.get().len());
    push_schema(&mut out, schema, 0);
    super::raw(out)
}

/// Whether a `type` in the text is written as Gemini does, in upper case or as a number.
pub(super) fn has_gemini_types(text: &str) -> bool {
    memchr::memmem::find_iter(text.as_bytes(), b"\"type\"").any(|at| {
        let after = text.get(at + 6..).unwrap_or_default().trim_start();
        let value = after.strip_prefix(':').unwrap_or_default().trim_start();
        let value = value.trim_start_matches(['[', '"', ' ', '\n', '\r', '\t']);
        value.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
    })
}

fn push_schema(out: &mut String, schema: &RawValue, depth: usize) {
    let members = match serde_json::from_str::<Members<'_>>(schema.get()) {
        Ok(members) if depth < DEEPEST => members,
        // `true` and `false` are schemas too.
        _ => return out.push_str(schema.get()),
    };
    let nullable = members.value("nullable").is_some_and(|value| value.get() == "true");
    let order = members.value("propertyOrdering").or_else(|| members.value("property_ordering"));
    out.push('{');
    for (key, value) in &members.0 {
        let node = Node { key: standard_key(key), value, nullable, order, depth };
        node.push(out);
    }
    out.push('}');
}

/// The JSON Schema keyword of a key that google-genai 3 writes in snake_case.
fn standard_key(key: &str) -> &str {
    match key {
        "any_of" => "anyOf",
        "min_items" => "minItems",
        "max_items" => "maxItems",
        "min_length" => "minLength",
        "max_length" => "maxLength",
        "min_properties" => "minProperties",
        "max_properties" => "maxProperties",
        "additional_properties" => "additionalProperties",
        "prefix_items" => "prefixItems",
        "defs" => "$defs",
        "ref" => "$ref",
        other => other,
    }
}

/// One member of a schema.
struct Node<'a> {
    key: &'a str,
    value: &'a RawValue,
    /// Whether its schema may be null.
    nullable: bool,
    /// The order of its properties.
    order: Option<&'a RawValue>,
    depth: usize,
}

impl Node<'_> {
    fn push(&self, out: &mut String) {
        match self.key {
            "nullable" | "propertyOrdering" | "property_ordering" => {}
            "type" => self.push_type(out),
            // `format: enum` says what `enum` says.
            "format" if self.value.get() == "\"enum\"" => {}
            "example" => {
                push_key(out, "examples");
                out.push('[');
                out.push_str(self.value.get());
                out.push(']');
            }
            "properties" | "$defs" | "definitions" | "patternProperties" => {
                push_key(out, self.key);
                self.push_named(out);
            }
            "items" | "additionalProperties" | "not" => {
                push_key(out, self.key);
                push_schema(out, self.value, self.depth + 1);
            }
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                push_key(out, self.key);
                self.push_list(out);
            }
            "enum" if self.nullable => {
                push_key(out, self.key);
                push_with_null(out, self.value);
            }
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties"
            | "maxProperties" => {
                // Protobuf's JSON form writes 64 bits as a string.
                push_key(out, self.key);
                out.push_str(self.value.get().trim_matches('"'));
            }
            _ => {
                push_key(out, self.key);
                out.push_str(self.value.get());
            }
        }
    }

    fn push_type(&self, out: &mut String) {
        let words = serde_json::from_str::<Word<'_>>(self.value.get())
            .map(|word| vec![word])
            .or_else(|_| serde_json::from_str::<Vec<Word<'_>>>(self.value.get()))
            .unwrap_or_default();
        let mut names: Vec<String> = words.iter().filter_map(type_name).collect();
        if self.nullable && !names.is_empty() && !names.iter().any(|name| name == "null") {
            names.push("null".to_owned());
        }
        match names.as_slice() {
            [] => {}
            [name] => {
                push_key(out, "type");
                push_text(out, name);
            }
            several => {
                push_key(out, "type");
                out.push('[');
                for (index, name) in several.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    push_text(out, name);
                }
                out.push(']');
            }
        }
    }

    /// Schemas by name. JSON Schema has no order of properties, but models follow the one they read.
    fn push_named(&self, out: &mut String) {
        let Ok(mut members) = serde_json::from_str::<Members<'_>>(self.value.get()) else {
            return out.push_str(self.value.get());
        };
        let order =
            self.order.and_then(|list| serde_json::from_str::<Vec<String>>(list.get()).ok());
        if let (Some(order), "properties") = (order, self.key) {
            members.0.sort_by_key(|(name, _)| {
                order.iter().position(|ordered| ordered == name).unwrap_or(order.len())
            });
        }
        out.push('{');
        for (name, schema) in &members.0 {
            push_key(out, name);
            push_schema(out, schema, self.depth + 1);
        }
        out.push('}');
    }

    fn push_list(&self, out: &mut String) {
        let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(self.value.get()) else {
            return out.push_str(self.value.get());
        };
        out.push('[');
        for (index, schema) in list.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            push_schema(out, schema, self.depth + 1);
        }
        if self.nullable && self.key == "anyOf" {
            out.push_str(if list.is_empty() { "" } else { "," });
            out.push_str(r#"{"type":"null"}"#);
        }
        out.push(']');
    }
}

/// JSON Schema's name of a type; `None` where it says nothing.
fn type_name(word: &Word<'_>) -> Option<String> {
    let name = match word {
        Word::Name(name) => name.to_ascii_lowercase(),
        Word::Number(number) => TYPES.get(usize::try_from(*number).ok()?)?.to_ascii_lowercase(),
    };
    (name != "type_unspecified").then_some(name)
}

fn push_with_null(out: &mut String, list: &RawValue) {
    match list.get().trim_end().strip_suffix(']') {
        Some(start) => {
            out.push_str(start);
            out.push_str(if start.trim_end().ends_with('[') { "null]" } else { ",null]" });
        }
        None => out.push_str(list.get()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(gemini: &str, expected: &str) {
        let gemini = RawValue::from_string(gemini.to_owned()).unwrap();
        assert_eq!(schema(&gemini).get(), expected);
    }

    #[test]
    fn types_in_upper_case_and_as_numbers() {
        check(r#"{"type":"OBJECT"}"#, r#"{"type":"object"}"#);
        check(
            r#"{"type":6,"properties":{"a":{"type":1},"b":{"type":5,"items":{"type":3}}}}"#,
            r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","items":{"type":"integer"}}}}"#,
        );
        check(r#"{"type":"TYPE_UNSPECIFIED","description":"d"}"#, r#"{"description":"d"}"#);
    }

    #[test]
    fn what_may_be_null() {
        check(r#"{"type":"STRING","nullable":true}"#, r#"{"type":["string","null"]}"#);
        check(
            r#"{"type":"STRING","nullable":true,"format":"enum","enum":["a", "b"]}"#,
            r#"{"type":["string","null"],"enum":["a", "b",null]}"#,
        );
        check(
            r#"{"any_of":[{"type":"STRING"}],"nullable":true}"#,
            r#"{"anyOf":[{"type":"string"},{"type":"null"}]}"#,
        );
    }

    #[test]
    fn numbers_in_strings_and_order() {
        check(
            r#"{"type":"ARRAY","minItems":"1","max_items":3}"#,
            r#"{"type":"array","minItems":1,"maxItems":3}"#,
        );
        check(
            r#"{"properties":{"b":{},"a":{},"c":{}},"propertyOrdering":["a","b"]}"#,
            r#"{"properties":{"a":{},"b":{},"c":{}}}"#,
        );
    }

    #[test]
    fn a_property_may_be_called_like_a_keyword() {
        check(
            r#"{"type":"OBJECT","properties":{"type":{"type":"STRING"},"nullable":{"type":"BOOLEAN"}}}"#,
            r#"{"type":"object","properties":{"type":{"type":"string"},"nullable":{"type":"boolean"}}}"#,
        );
    }

    #[test]
    fn json_schema_is_left_alone() {
        assert!(!has_gemini_types(r#"{"type" : ["string", "null"], "title":"TYPE"}"#));
        assert!(has_gemini_types(r#"{"a":{"type": "STRING"}}"#));
        assert!(has_gemini_types(r#"{"a":{"type":6}}"#));
        assert!(has_gemini_types(r#"{"type": [ "STRING" ]}"#));
        check("true", "true");
    }

    #[test]
    fn endless_depth_is_copied() {
        let deep = format!("{}{{}}{}", r#"{"items":"#.repeat(20_000), "}".repeat(20_000));
        let gemini = RawValue::from_string(deep.clone()).unwrap();
        assert_eq!(schema(&gemini).get(), deep);
    }
}
