//! Does a schema obey the rules of strict mode? <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// How deep a schema is followed; the API itself allows ten levels.
const DEEPEST: u8 = 16;

#[derive(Deserialize)]
struct Schema<'s> {
    #[serde(rename = "type", default, borrow)]
    kind: Option<&'s RawValue>,
    #[serde(default, borrow)]
    properties: Option<BTreeMap<String, &'s RawValue>>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(rename = "additionalProperties", default, borrow)]
    additional: Option<&'s RawValue>,
    #[serde(default, borrow)]
    items: Option<&'s RawValue>,
    #[serde(rename = "anyOf", default, borrow)]
    any_of: Vec<&'s RawValue>,
    #[serde(rename = "$defs", alias = "definitions", default, borrow)]
    definitions: BTreeMap<String, &'s RawValue>,
    #[serde(rename = "allOf", default)]
    all_of: Option<IgnoredAny>,
    #[serde(rename = "oneOf", default)]
    one_of: Option<IgnoredAny>,
    #[serde(default)]
    not: Option<IgnoredAny>,
    #[serde(rename = "patternProperties", default)]
    pattern_properties: Option<IgnoredAny>,
}

/// Whether every object is closed and all its properties are required. What cannot be read is not strict.
pub(super) fn is_closed(schema: &RawValue) -> bool {
    closed(schema, DEEPEST)
}

fn closed(schema: &RawValue, depth: u8) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let Ok(schema) = serde_json::from_str::<Schema<'_>>(schema.get()) else { return false };
    let foreign = schema.all_of.is_some()
        || schema.one_of.is_some()
        || schema.not.is_some()
        || schema.pattern_properties.is_some();
    let object = schema.properties.is_some()
        || schema.kind.is_some_and(|kind| kind.get().contains("\"object\""));
    let properties = schema.properties.unwrap_or_default();
    let whole = !object
        || (schema.additional.is_some_and(|value| value.get() == "false")
            && properties.keys().all(|name| schema.required.contains(name)));
    !foreign
        && whole
        && properties
            .values()
            .chain(&schema.items)
            .chain(&schema.any_of)
            .chain(schema.definitions.values())
            .all(|inner| closed(inner, depth))
}
