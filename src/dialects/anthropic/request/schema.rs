//! JSON Schemas as the API takes them. They are read one object at a time and stay text otherwise.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use memchr::memmem;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::dialects::anthropic::raw;
use crate::dialects::anthropic::wire::read::Str;

/// Deeper schemas are passed as they are: no provider takes them.
const DEEPEST: usize = 64;

/// The members of a JSON object, in order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    fn of(value: &'a RawValue) -> Option<Self> {
        serde_json::from_str(value.get()).ok()
    }

    fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Whether a member is this JSON, to the letter.
    fn is(&self, name: &str, json: &str) -> bool {
        self.get(name).is_some_and(|value| value.get() == json)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Str(key), value)) = map.next_entry()? {
            members.push((key, value));
        }
        Ok(Members(members))
    }
}

/// Writes the members of an object.
struct Object<'o> {
    out: &'o mut String,
    open: bool,
}

impl<'o> Object<'o> {
    fn new(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, open: false }
    }

    /// Begins a member; its value is to be appended to what this gives.
    fn key(&mut self, name: &str) -> &mut String {
        if std::mem::replace(&mut self.open, true) {
            self.out.push(',');
        }
        self.out.push_str(&quoted(name));
        self.out.push(':');
        self.out
    }

    fn end(self) {
        self.out.push('}');
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// What may combine schemas; the API refuses all three at the root of a tool's schema.
const COMBINERS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// A tool's schema: `type` must be `object`, with no combination of schemas at its root. Where there is one, the properties
/// of all its members are offered, and the description tells the rest.
/// <https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use>
pub(super) fn of_tool(schema: Option<&RawValue>) -> Cow<'_, RawValue> {
    if let Some(schema) = schema.filter(|schema| is_plain(schema.get())) {
        return Cow::Borrowed(schema);
    }
    let members = schema.and_then(|schema| Some((schema, Members::of(schema)?)));
    let made = match members {
        Some((schema, root)) => {
            let combined = COMBINERS.iter().any(|name| root.get(name).is_some());
            if root.is("type", "\"object\"") && !combined {
                return Cow::Borrowed(schema);
            }
            flat(&root)
        }
        None => r#"{"type":"object","properties":{}}"#.to_owned(),
    };
    // What is written here is valid JSON.
    raw(made).unwrap_or(Cow::Borrowed(RawValue::NULL))
}

/// Whether a schema is right at first sight, as most are: nothing is parsed.
fn is_plain(schema: &str) -> bool {
    let begins = |start: &&str| schema.starts_with(*start);
    let has = |name: &&str| memmem::find(schema.as_bytes(), name.as_bytes()).is_some();
    [r#"{"type":"object""#, r#"{"type": "object""#].iter().any(begins) && !COMBINERS.iter().any(has)
}

fn flat(root: &Members<'_>) -> String {
    let mut properties: Vec<(Cow<'_, str>, &RawValue)> = Vec::new();
    let mut required: Vec<String> = required_of(root);
    add_properties(root, &mut properties);
    let mut told = String::new();
    for name in COMBINERS {
        let Some(list) = root.get(name) else { continue };
        let branches = branches(root, list);
        for branch in &branches {
            add_properties(branch, &mut properties);
        }
        let mut every = branches.iter().map(required_of);
        if name == "allOf" {
            required.extend(every.flatten());
        } else if let Some(first) = every.next() {
            let others: Vec<_> = every.collect();
            let shared = |name: &String| others.iter().all(|other| other.contains(name));
            required.extend(first.into_iter().filter(shared));
        }
        let _ = write!(told, "{{{name}: {}}}", list.get());
    }
    required.sort();
    required.dedup();
    let mut out = String::new();
    let mut object = Object::new(&mut out);
    object.key("type").push_str("\"object\"");
    for (key, value) in &root.0 {
        let replaced = ["type", "properties", "required", "description"].contains(&&**key);
        if !replaced && !COMBINERS.contains(&&**key) {
            object.key(key).push_str(value.get());
        }
    }
    let own = root.get("description").and_then(|text| serde_json::from_str(text.get()).ok());
    if let Some(description) = described(own, &told) {
        object.key("description").push_str(&quoted(&description));
    }
    let mut listed = Object::new(object.key("properties"));
    for (key, value) in &properties {
        listed.key(key).push_str(value.get());
    }
    listed.end();
    if !required.is_empty() {
        let names = serde_json::to_string(&required).unwrap_or_default();
        object.key("required").push_str(&names);
    }
    object.end();
    out
}

/// The members of a combination, each behind its reference where it is one.
fn branches<'a>(root: &Members<'a>, list: &'a RawValue) -> Vec<Members<'a>> {
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).unwrap_or_default();
    let resolved = |branch: &&'a RawValue| {
        let members = Members::of(branch)?;
        let Some(reference) = members.get("$ref") else { return Some(members) };
        let reference: Str<'_> = serde_json::from_str(reference.get()).ok()?;
        let (place, name) = reference.0.strip_prefix("#/")?.split_once('/')?;
        Members::of(Members::of(root.get(place)?)?.get(name)?)
    };
    list.iter().filter_map(resolved).collect()
}

fn add_properties<'a>(schema: &Members<'a>, all: &mut Vec<(Cow<'a, str>, &'a RawValue)>) {
    let Some(properties) = schema.get("properties").and_then(Members::of) else { return };
    for (key, value) in properties.0 {
        if !all.iter().any(|(known, _)| *known == key) {
            all.push((key, value));
        }
    }
}

fn required_of(schema: &Members<'_>) -> Vec<String> {
    let required = schema.get("required").map(|names| serde_json::from_str(names.get()));
    required.and_then(Result::ok).unwrap_or_default()
}

/// The schema of a structured answer: every object closed, and nothing but the keywords that the API's decoder knows. What
/// it does not know is told in the description, as Anthropic's own SDKs do.
/// <https://docs.anthropic.com/en/docs/build-with-claude/structured-outputs#json-schema-limitations>
pub(super) fn of_answer(schema: &RawValue) -> Cow<'_, RawValue> {
    let mut out = String::with_capacity(schema.get().len() + 64);
    close(schema, 0, &mut out);
    raw(out).unwrap_or(Cow::Borrowed(schema))
}

fn close(schema: &RawValue, depth: usize, out: &mut String) {
    let members = if depth < DEEPEST { Members::of(schema) } else { None };
    let Some(members) = members else {
        out.push_str(schema.get());
        return;
    };
    let is_object = members.is("type", "\"object\"") || members.get("properties").is_some();
    let mut notes = String::new();
    let mut object = Object::new(out);
    for (key, value) in &members.0 {
        match &**key {
            "properties" | "$defs" | "definitions" => each(value, depth, object.key(key)),
            "items" => close(value, depth + 1, object.key(key)),
            "anyOf" | "allOf" => every(value, depth, object.key(key)),
            "oneOf" => every(value, depth, object.key("anyOf")),
            "type" | "enum" | "const" | "title" | "default" | "required" | "$ref" => {
                object.key(key).push_str(value.get());
            }
            "format" if FORMATS.contains(&value.get().trim_matches('"')) => {
                object.key(key).push_str(value.get());
            }
            "minItems" if matches!(value.get(), "0" | "1") => {
                object.key(key).push_str(value.get());
            }
            "description" | "$schema" | "$id" | "$comment" => {}
            "additionalProperties" if matches!(value.get(), "true" | "false") => {}
            _ => note(&mut notes, key, value),
        }
    }
    if is_object {
        if members.get("type").is_none() {
            object.key("type").push_str("\"object\"");
        }
        object.key("additionalProperties").push_str("false");
    }
    let own = members.get("description").and_then(|text| serde_json::from_str(text.get()).ok());
    let notes = if notes.is_empty() { notes } else { format!("{{{notes}}}") };
    if let Some(description) = described(own, &notes) {
        object.key("description").push_str(&quoted(&description));
    }
    object.end();
}

/// String formats that the decoder knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// A map of schemas.
fn each(schemas: &RawValue, depth: usize, out: &mut String) {
    let Some(members) = Members::of(schemas) else {
        out.push_str(schemas.get());
        return;
    };
    let mut object = Object::new(out);
    for (key, value) in &members.0 {
        close(value, depth + 1, object.key(key));
    }
    object.end();
}

/// A list of schemas.
fn every(schemas: &RawValue, depth: usize, out: &mut String) {
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(schemas.get()) else {
        out.push_str(schemas.get());
        return;
    };
    out.push('[');
    for (index, schema) in list.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        close(schema, depth + 1, out);
    }
    out.push(']');
}

fn note(notes: &mut String, key: &str, value: &RawValue) {
    if !notes.is_empty() {
        notes.push_str(", ");
    }
    notes.push_str(key);
    notes.push_str(": ");
    notes.push_str(value.get());
}

fn described(own: Option<String>, notes: &str) -> Option<String> {
    match own {
        own if notes.is_empty() => own,
        Some(own) => Some(format!("{own}\n\n{notes}")),
        None => Some(notes.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn tools() {
        let cases = [
            (r#"{"type":"object","properties":{}}"#, r#"{"type":"object","properties":{}}"#),
            (
                r#"{"properties":{"a":{}},"type":"object"}"#,
                r#"{"properties":{"a":{}},"type":"object"}"#,
            ),
            (r#"{"properties":{"a":{}}}"#, r#"{"type":"object","properties":{"a":{}}}"#),
            (r#"{"type":["object","null"]}"#, r#"{"type":"object","properties":{}}"#),
            ("true", r#"{"type":"object","properties":{}}"#),
            (
                r##"{"$ref":"#/$defs/A","$defs":{"A":{"type":"object"}}}"##,
                r##"{"type":"object","$ref":"#/$defs/A","$defs":{"A":{"type":"object"}},"properties":{}}"##,
            ),
            (
                r#"{"type":"object","description":"d","anyOf":[{"properties":{"a":{},"b":{}},"required":["a","b"]},{"properties":{"a":{},"c":{}},"required":["a"]}]}"#,
                r#"{"type":"object","description":"d\n\n{anyOf: [{\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\",\"b\"]},{\"properties\":{\"a\":{},\"c\":{}},\"required\":[\"a\"]}]}","properties":{"a":{},"b":{},"c":{}},"required":["a"]}"#,
            ),
            (
                r##"{"allOf":[{"$ref":"#/$defs/A"}],"$defs":{"A":{"properties":{"a":{}},"required":["a"]}}}"##,
                r##"{"type":"object","$defs":{"A":{"properties":{"a":{}},"required":["a"]}},"description":"{allOf: [{\"$ref\":\"#/$defs/A\"}]}","properties":{"a":{}},"required":["a"]}"##,
            ),
        ];
        for (schema, expected) in cases {
            assert_eq!(of_tool(Some(&json(schema))).get(), expected);
        }
        assert_eq!(of_tool(None).get(), r#"{"type":"object","properties":{}}"#);
    }

    #[test]
    fn answers() {
        let cases = [
            (
                r#"{"type":"object","properties":{"a":{"type":"integer","minimum":1,"maximum":9,"description":"A number"}},"required":["a"],"$schema":"x"}"#,
                r#"{"type":"object","properties":{"a":{"type":"integer","description":"A number\n\n{minimum: 1, maximum: 9}"}},"required":["a"],"additionalProperties":false}"#,
            ),
            (
                r#"{"oneOf":[{"properties":{"a":{"type":"string","format":"date"}}},{"type":"string","format":"odd"}]}"#,
                r#"{"anyOf":[{"properties":{"a":{"type":"string","format":"date"}},"type":"object","additionalProperties":false},{"type":"string","description":"{format: \"odd\"}"}]}"#,
            ),
            (
                r#"{"type":"array","minItems":1,"maxItems":3,"items":{"type":"object","additionalProperties":true}}"#,
                r#"{"type":"array","minItems":1,"items":{"type":"object","additionalProperties":false},"description":"{maxItems: 3}"}"#,
            ),
            (
                r##"{"$defs":{"A":{"type":"object","additionalProperties":{"type":"string"}}},"$ref":"#/$defs/A"}"##,
                r##"{"$defs":{"A":{"type":"object","additionalProperties":false,"description":"{additionalProperties: {\"type\":\"string\"}}"}},"$ref":"#/$defs/A"}"##,
            ),
            ("true", "true"),
        ];
        for (schema, expected) in cases {
            assert_eq!(of_answer(&json(schema)).get(), expected);
        }
    }

    #[test]
    fn deep() {
        let deep = format!("{}{}", r#"{"items":"#.repeat(10_000), "}".repeat(10_000));
        let deep = deep.replace(":}", ":{}}");
        if let Ok(schema) = RawValue::from_string(deep) {
            of_answer(&schema);
            of_tool(Some(&schema));
        }
    }
}
