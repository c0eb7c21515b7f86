//! JSON Schema as the subset of OpenAPI that Gemini's `parameters` and `responseSchema` take: an allow-list; what is left out
//! is told.

mod node;

use std::borrow::Cow;

use serde_json::value::RawValue;

use node::Node;

use super::{DEEPEST, push_key, push_text};
use crate::dialects::gemini::wire::Members;

/// The schema in the subset, and whether it lost a rule.
pub(super) fn schema(schema: &RawValue) -> (Box<RawValue>, bool) {
    let mut writer = Writer::new(schema);
    let mut out = String::with_capacity(schema.get().len());
    writer.push(&mut out, schema, Inherited::default(), 0);
    (super::raw(out), writer.lost)
}

/// Whether the schema says any property.
pub(super) fn has_properties(schema: &RawValue) -> bool {
    let mut node = Node::default();
    Writer::new(schema).absorb(&mut node, schema, 0);
    !node.properties.is_empty() || !node.any_of.is_empty()
}

/// Keywords that are copied, whatever the type.
const SAME: [&str; 9] = [
    "title",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "default",
];

/// Keywords whose absence changes nothing that a model is told.
const SILENT: [&str; 9] = [
    "$schema",
    "$id",
    "$comment",
    "$defs",
    "definitions",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

/// The formats that Vertex AI does not refuse.
const FORMATS: [&str; 6] =
    ["\"int32\"", "\"int64\"", "\"float\"", "\"double\"", "\"date-time\"", "\"enum\""];

/// What an `anyOf` says for each of its branches: it must stand alone in its schema.
#[derive(Clone, Copy, Default)]
struct Inherited<'a> {
    description: Option<&'a RawValue>,
    nullable: bool,
}

struct Writer<'a> {
    /// The schemas that `$ref` can point at.
    definitions: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The definitions that are being written: one inside itself is a cycle.
    open: Vec<String>,
    /// How long the schema may become: references written out can double at each step.
    limit: usize,
    lost: bool,
}

impl<'a> Writer<'a> {
    fn new(schema: &'a RawValue) -> Self {
        let mut definitions = Vec::new();
        if let Ok(members) = serde_json::from_str::<Members<'_>>(schema.get()) {
            for key in ["$defs", "definitions"] {
                let named = members.value(key).map(RawValue::get).unwrap_or_default();
                let named = serde_json::from_str::<Members<'_>>(named);
                definitions.extend(named.into_iter().flat_map(|named| named.0));
            }
        }
        let limit = 65_536 + 8 * schema.get().len();
        Self { definitions, open: Vec::new(), limit, lost: false }
    }

    fn push(&mut self, out: &mut String, schema: &'a RawValue, from: Inherited<'a>, depth: usize) {
        let mut node = Node::default();
        if depth < DEEPEST && out.len() < self.limit {
            self.absorb(&mut node, schema, depth);
        } else {
            self.lost = true;
        }
        node.description = node.description.or(from.description);
        node.nullable |= from.nullable;
        let before = self.open.len();
        self.open.append(&mut node.references);
        out.push('{');
        if !node.any_of.is_empty() {
            self.push_any_of(out, &node, depth);
        } else if node.types.len() > 1 {
            self.push_types(out, &node);
        } else {
            self.push_members(out, &node, depth);
        }
        out.push('}');
        self.open.truncate(before);
    }

    fn push_any_of(&mut self, out: &mut String, node: &Node<'a>, depth: usize) {
        let told = Inherited { description: node.description, nullable: node.nullable };
        push_key(out, "anyOf");
        out.push('[');
        for (index, branch) in node.any_of.iter().enumerate() {
            out.push_str(if index > 0 { "," } else { "" });
            self.push(out, branch, told, depth + 1);
        }
        out.push(']');
    }

    /// A list of types is an `anyOf` here.
    fn push_types(&mut self, out: &mut String, node: &Node<'a>) {
        self.lost |= !node.properties.is_empty() || node.items.is_some();
        push_key(out, "anyOf");
        out.push('[');
        for (index, name) in node.types.iter().enumerate() {
            out.push_str(if index > 0 { ",{" } else { "{" });
            push_key(out, "type");
            push_text(out, name);
            push_common(out, node);
            if name == "ARRAY" {
                out.push_str(r#","items":{"type":"STRING"}"#);
            }
            out.push('}');
        }
        out.push(']');
    }

    fn push_members(&mut self, out: &mut String, node: &Node<'a>, depth: usize) {
        let name = node.type_name();
        if let Some(name) = name {
            push_key(out, "type");
            push_text(out, name);
        }
        push_common(out, node);
        if let Some(choices) = &node.choices {
            push_strings(out, "enum", choices.iter());
        }
        if !node.properties.is_empty() {
            self.push_properties(out, node, depth);
        }
        if let Some(items) = node.items {
            push_key(out, "items");
            self.push(out, items, Inherited::default(), depth + 1);
        } else if name == Some("ARRAY") {
            // "items: missing field" otherwise; a string holds any value in words.
            self.lost = true;
            push_key(out, "items");
            out.push_str(r#"{"type":"STRING"}"#);
        }
        for (key, value) in &node.same {
            push_key(out, key);
            out.push_str(value.get());
        }
    }

    fn push_properties(&mut self, out: &mut String, node: &Node<'a>, depth: usize) {
        push_key(out, "properties");
        out.push('{');
        for (name, schema) in &node.properties {
            push_key(out, name);
            self.push(out, schema, Inherited::default(), depth + 1);
        }
        out.push('}');
        // Google refuses a required property that is not there.
        let is_known = |name: &&String| node.properties.iter().any(|(own, _)| own == name.as_str());
        if node.required.iter().any(|name| is_known(&name)) {
            push_strings(out, "required", node.required.iter().filter(is_known));
        }
    }

    /// Takes a schema's keywords into the node, those of its reference first.
    fn absorb(&mut self, node: &mut Node<'a>, schema: &'a RawValue, depth: usize) {
        let Ok(members) = serde_json::from_str::<Members<'a>>(schema.get()) else { return };
        if let Some(reference) = members.value("$ref") {
            self.absorb_reference(node, reference, depth);
        }
        for (key, value) in &members.0 {
            self.absorb_member(node, key, value, depth);
        }
    }

    fn absorb_reference(&mut self, node: &mut Node<'a>, reference: &'a RawValue, depth: usize) {
        let path = serde_json::from_str::<String>(reference.get()).unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if node.references.contains(&name) {
            return;
        }
        let found =
            self.definitions.iter().find(|(own, _)| *own == name).map(|(_, schema)| *schema);
        match found {
            Some(schema) if !self.open.contains(&name) && depth < DEEPEST => {
                node.references.push(name);
                self.absorb(node, schema, depth + 1);
            }
            _ => {
                // A cycle cannot be written out: from here on any object will do.
                self.lost = true;
                node.types = vec!["OBJECT".to_owned()];
            }
        }
    }

    fn absorb_member(&mut self, node: &mut Node<'a>, key: &str, value: &'a RawValue, depth: usize) {
        match key {
            "type" => node.absorb_types(value),
            "nullable" => node.nullable |= value.get() == "true",
            "description" => node.description = Some(value),
            "enum" => self.lost |= !node.absorb_choices(value),
            "const" => self.lost |= !node.absorb_constant(value),
            "properties" => {
                let members = serde_json::from_str::<Members<'a>>(value.get());
                node.properties.extend(members.into_iter().flat_map(|members| members.0));
            }
            "required" => {
                let names = serde_json::from_str::<Vec<String>>(value.get());
                node.required.extend(names.unwrap_or_default());
            }
            "items" => node.items = Some(value),
            "anyOf" | "oneOf" => self.absorb_branches(node, value, depth),
            "allOf" if depth < DEEPEST => {
                let parts = serde_json::from_str::<Vec<&RawValue>>(value.get());
                for part in parts.unwrap_or_default() {
                    self.absorb(node, part, depth + 1);
                }
            }
            "format" if FORMATS.contains(&value.get()) => node.same.push(("format", value)),
            "$ref" | "format" => {}
            "additionalProperties" => self.lost |= value.get().starts_with('{'),
            _ => match SAME.iter().find(|same| **same == key) {
                Some(same) => node.same.push((same, value)),
                None => self.lost |= !SILENT.contains(&key),
            },
        }
    }

    fn absorb_branches(&mut self, node: &mut Node<'a>, value: &'a RawValue, depth: usize) {
        let all = serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default();
        let count = all.len();
        let rest: Vec<&RawValue> = all.into_iter().filter(|branch| !is_null(branch)).collect();
        node.nullable |= rest.len() < count;
        match rest.as_slice() {
            // "This or null" is this, nullable; the description beside it is the nearer one.
            [one] if depth < DEEPEST => {
                let own = node.description;
                self.absorb(node, one, depth + 1);
                node.description = own.or(node.description);
            }
            _ => node.any_of.extend(rest),
        }
    }
}

fn is_null(schema: &RawValue) -> bool {
    serde_json::from_str::<Members<'_>>(schema.get())
        .is_ok_and(|members| members.value("type").is_some_and(|name| name.get() == "\"null\""))
}

fn push_common(out: &mut String, node: &Node<'_>) {
    if let Some(description) = node.description {
        push_key(out, "description");
        out.push_str(description.get());
    }
    if node.nullable {
        push_key(out, "nullable");
        out.push_str("true");
    }
}

fn push_strings<'s>(out: &mut String, key: &str, list: impl Iterator<Item = &'s String>) {
    push_key(out, key);
    out.push('[');
    for (index, text) in list.enumerate() {
        out.push_str(if index > 0 { "," } else { "" });
        push_text(out, text);
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json_schema: &str, expected: &str, loses: bool) {
        let json_schema = RawValue::from_string(json_schema.to_owned()).unwrap();
        let (subset, lost) = schema(&json_schema);
        assert_eq!(subset.get(), expected);
        assert_eq!(lost, loses, "{expected}");
    }

    #[test]
    fn plain_schemas() {
        check(
            r#"{"$schema":"x","type":"object","properties":{"a":{"type":"string","description":"d","enum":["x","y"]}},"required":["a","b"],"additionalProperties":false}"#,
            r#"{"type":"OBJECT","properties":{"a":{"type":"STRING","description":"d","enum":["x","y"]}},"required":["a"]}"#,
            false,
        );
    }

    #[test]
    fn null_and_lists_of_types() {
        check(r#"{"type":["string","null"]}"#, r#"{"type":"STRING","nullable":true}"#, false);
        check(
            r#"{"type":["integer","string"],"description":"d"}"#,
            r#"{"anyOf":[{"type":"INTEGER","description":"d"},{"type":"STRING","description":"d"}]}"#,
            false,
        );
        check(
            r#"{"anyOf":[{"type":"string"},{"type":"null"}],"description":"d"}"#,
            r#"{"type":"STRING","description":"d","nullable":true}"#,
            false,
        );
        check(
            r#"{"oneOf":[{"type":"integer"},{"type":"string","description":"s"}],"description":"d"}"#,
            r#"{"anyOf":[{"type":"INTEGER","description":"d"},{"type":"STRING","description":"s"}]}"#,
            false,
        );
    }

    #[test]
    fn references_are_written_out() {
        check(
            r##"{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"integer"}}}"##,
            r#"{"type":"OBJECT","properties":{"a":{"type":"INTEGER"}}}"#,
            false,
        );
        check(
            r##"{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}}}}}"##,
            r#"{"type":"OBJECT","properties":{"next":{"type":"OBJECT"}}}"#,
            true,
        );
    }

    #[test]
    fn references_that_double_at_each_step_end() {
        let definitions: Vec<String> = (0..40)
            .map(|n| {
                let next = format!(r##"{{"$ref":"#/$defs/d{}"}}"##, n + 1);
                format!(r#""d{n}":{{"type":"object","properties":{{"a":{next},"b":{next}}}}}"#)
            })
            .collect();
        let bomb = format!(r##"{{"$ref":"#/$defs/d0","$defs":{{{}}}}}"##, definitions.join(","));
        let (subset, lost) = schema(&RawValue::from_string(bomb).unwrap());
        assert!(lost && subset.get().len() < 1_000_000);
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        check(r#"{"type":"integer","enum":[1,2]}"#, r#"{"type":"INTEGER"}"#, true);
        check(r#"{"const":"web"}"#, r#"{"type":"STRING","enum":["web"]}"#, false);
        check(r#"{"type":"integer","exclusiveMinimum":0}"#, r#"{"type":"INTEGER"}"#, true);
        check(r#"{"type":"array"}"#, r#"{"type":"ARRAY","items":{"type":"STRING"}}"#, true);
        check(r#"{"type":"string","format":"uri"}"#, r#"{"type":"STRING"}"#, false);
    }

    #[test]
    fn all_of_is_joined() {
        check(
            r#"{"allOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"properties":{"b":{"type":"number"}}}]}"#,
            r#"{"type":"OBJECT","properties":{"a":{"type":"STRING"},"b":{"type":"NUMBER"}}}"#,
            false,
        );
    }

    #[test]
    fn endless_depth_ends() {
        for (start, end) in [(r#"{"items":"#, "}"), (r#"{"allOf":["#, "]}")] {
            let deep = format!("{}{{}}{}", start.repeat(20_000), end.repeat(20_000));
            schema(&RawValue::from_string(deep).unwrap());
        }
    }
}
