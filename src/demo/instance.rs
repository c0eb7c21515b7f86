//! A plausible instance of a JSON schema, whose strings say a given text.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::turn::{count, list};

/// Below this, what is optional is left out, so that a recursive schema ends.
const SHALLOW: usize = 4;
/// Below this everything is null: only a schema that has no finite instance gets here.
const DEEPEST: usize = 16;
/// The most values of one instance.
const MOST_VALUES: usize = 2000;

/// Makes an instance of the schema: JSON Schema, or Gemini's subset of it in any spelling.
pub(super) fn instance(schema: &Value, text: &str) -> Value {
    Maker { root: schema, text, made: Cell::new(0) }.value(schema, 0)
}

struct Maker<'a> {
    root: &'a Value,
    text: &'a str,
    made: Cell<usize>,
}

impl Maker<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        self.made.set(self.made.get() + 1);
        if depth > DEEPEST || self.made.get() > MOST_VALUES {
            return Value::Null;
        }
        if let Some(fixed) = schema.get("const").or_else(|| schema["enum"].get(0)) {
            return fixed.clone();
        }
        if let Some(next) = self.reference(schema).or_else(|| alternative(schema, depth)) {
            return self.value(next, depth + 1);
        }
        match kind(schema) {
            Kind::Object => Value::Object(self.object(schema, depth)),
            Kind::Array => self.array(schema, depth),
            Kind::String => Value::from(self.string(schema)),
            Kind::Integer => integer(number(schema)),
            Kind::Number => Value::from(number(schema)),
            Kind::Boolean => Value::from(true),
            Kind::Null => Value::Null,
        }
    }

    fn reference(&self, schema: &Value) -> Option<&Value> {
        self.root.pointer(schema["$ref"].as_str()?.strip_prefix('#')?)
    }

    fn object(&self, schema: &Value, depth: usize) -> Map<String, Value> {
        let mut object = Map::new();
        for part in list(&schema["allOf"]) {
            let part = self.reference(part).unwrap_or(part);
            object.extend(self.object(part, depth + 1));
        }
        let required = schema["required"].as_array();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let wanted = match required {
                Some(names) => names.iter().any(|required| required == name.as_str()),
                None => depth < SHALLOW,
            };
            if wanted {
                object.insert(name.clone(), self.value(property, depth + 1));
            }
        }
        object
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        if let Some(places) = schema["prefixItems"].as_array() {
            return places.iter().map(|place| self.value(place, depth + 1)).collect();
        }
        let least = size(schema, "minItems").unwrap_or(0).max(usize::from(depth < SHALLOW));
        let wanted = least.min(size(schema, "maxItems").unwrap_or(usize::MAX));
        let mut items = Vec::new();
        while items.len() < wanted && self.made.get() < MOST_VALUES {
            items.push(self.value(&schema["items"], depth + 1));
        }
        Value::Array(items)
    }

    fn string(&self, schema: &Value) -> String {
        let sample = match schema["format"].as_str() {
            Some("date") => "2026-01-31",
            Some("date-time") => "2026-01-31T12:00:00Z",
            Some("time") => "12:00:00Z",
            Some("duration") => "PT1H",
            Some("email") => "demo@example.com",
            Some("hostname") => "example.com",
            Some("ipv4") => "127.0.0.1",
            Some("ipv6") => "::1",
            Some("uri" | "url") => "https://example.com/",
            Some("uuid") => "00000000-0000-4000-8000-000000000000",
            Some(_) | None => self.text,
        };
        let least = size(schema, "minLength").unwrap_or(0).min(MOST_VALUES);
        let most = size(schema, "maxLength").unwrap_or(usize::MAX);
        let wanted = sample.chars().count().max(least).min(most);
        sample.chars().chain(std::iter::repeat('.')).take(wanted).collect()
    }
}

enum Kind {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Null,
}

/// The schema's type: a name in any case, a list of names, or the number of Google's older SDK.
fn kind(schema: &Value) -> Kind {
    let declared = &schema["type"];
    let name = match declared.as_u64() {
        Some(2) => "number",
        Some(3) => "integer",
        Some(4) => "boolean",
        Some(5) => "array",
        Some(6) => "object",
        Some(_) => "string",
        None => {
            let names = list(declared).iter().filter_map(Value::as_str);
            declared.as_str().or_else(|| names.max_by_key(|name| *name != "null")).unwrap_or("")
        }
    };
    match name.to_ascii_lowercase().as_str() {
        "object" => Kind::Object,
        "array" => Kind::Array,
        "string" => Kind::String,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "boolean" => Kind::Boolean,
        "null" => Kind::Null,
        _ if schema.get("properties").is_some() || schema.get("allOf").is_some() => Kind::Object,
        _ if schema.get("items").is_some() => Kind::Array,
        _ => Kind::String,
    }
}

/// The alternative to follow: the first that is not null, and deep down the null if there is one.
fn alternative(schema: &Value, depth: usize) -> Option<&Value> {
    let mut choices = ["anyOf", "oneOf"].into_iter().flat_map(|key| list(&schema[key]));
    let first = choices.clone().next();
    choices.find(|choice| matches!(kind(choice), Kind::Null) == (depth >= SHALLOW)).or(first)
}

fn number(schema: &Value) -> f64 {
    let low = bound(schema, "minimum").or_else(|| bound(schema, "exclusiveMinimum"));
    let high = bound(schema, "maximum").or_else(|| bound(schema, "exclusiveMaximum"));
    let value = match (low, high) {
        (Some(low), Some(high)) => f64::midpoint(low, high),
        (Some(low), None) => (low + 1.0).max(1.0),
        (None, Some(high)) => (high - 1.0).min(1.0),
        (None, None) => 1.0,
    };
    let step = bound(schema, "multipleOf").filter(|step| *step > 0.0);
    step.map_or(value, |step| (value / step).ceil() * step)
}

#[expect(clippy::cast_possible_truncation, reason = "casts from float saturate")]
fn integer(value: f64) -> Value {
    Value::from(value.floor() as i64)
}

fn bound(schema: &Value, key: &str) -> Option<f64> {
    schema[key].as_f64()
}

/// A length of the schema; Gemini writes its 64-bit numbers as strings.
fn size(schema: &Value, key: &str) -> Option<usize> {
    count(&schema[key]).or_else(|| schema[key].as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, expected: &Value) {
        assert_eq!(instance(schema, "say"), *expected);
    }

    #[test]
    fn kinds_in_every_spelling() {
        check(&json!({ "type": "string" }), &json!("say"));
        check(&json!({ "type": "STRING" }), &json!("say"));
        check(&json!({ "type": 3 }), &json!(1));
        check(&json!({ "type": ["null", "boolean"] }), &json!(true));
        check(&json!({ "type": "null" }), &json!(null));
        check(&json!({ "type": "number" }), &json!(1.0));
        check(&json!({ "properties": { "a": {} } }), &json!({ "a": "say" }));
        check(&json!({}), &json!("say"));
    }

    #[test]
    fn fixed_values_come_first() {
        check(&json!({ "type": "string", "const": "only" }), &json!("only"));
        check(&json!({ "type": "string", "enum": ["first", "second"] }), &json!("first"));
    }

    #[test]
    fn bounds_are_kept() {
        check(&json!({ "type": "integer", "minimum": 5 }), &json!(6));
        check(&json!({ "type": "integer", "minimum": 2, "maximum": 3 }), &json!(2));
        check(&json!({ "type": "integer", "maximum": -4 }), &json!(-5));
        check(&json!({ "type": "integer", "multipleOf": 7 }), &json!(7));
        check(&json!({ "type": "string", "maxLength": 2 }), &json!("sa"));
        check(&json!({ "type": "string", "minLength": 5 }), &json!("say.."));
        check(&json!({ "type": "array", "items": {}, "minItems": "2" }), &json!(["say", "say"]));
        check(&json!({ "type": "array", "items": {}, "maxItems": 0 }), &json!([]));
        check(&json!({ "type": "string", "format": "date" }), &json!("2026-01-31"));
    }

    #[test]
    fn combinations_are_followed() {
        check(&json!({ "anyOf": [{ "type": "null" }, { "type": "integer" }] }), &json!(1));
        let parts = json!([{ "$ref": "#/$defs/a" }, { "properties": { "b": { "type": "null" } } }]);
        let defs = json!({ "a": { "type": "object", "properties": { "a": {} } } });
        check(&json!({ "allOf": parts, "$defs": defs }), &json!({ "a": "say", "b": null }));
    }

    #[test]
    fn recursive_schemas_end() {
        let tree = json!({
            "type": "object",
            "properties": {
                "next": { "anyOf": [{ "$ref": "#" }, { "type": "null" }] },
                "children": { "type": "array", "items": { "$ref": "#" } },
            },
            "required": ["next", "children"],
        });
        assert!(instance(&tree, "say").to_string().len() < 2000);
        let both = json!({ "left": { "$ref": "#" }, "right": { "$ref": "#" } });
        let endless = json!({ "properties": both, "required": ["left", "right"] });
        assert!(instance(&endless, "say").to_string().len() < 200_000);
        assert!(instance(&json!({ "$ref": "#" }), "say").is_null());
        let many = json!({ "type": "array", "items": {}, "minItems": 1_000_000_000 });
        assert!(instance(&many, "say").to_string().len() < 200_000);
    }
}
