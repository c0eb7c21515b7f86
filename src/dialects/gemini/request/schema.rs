//! Schemas: Gemini's own form to JSON Schema, and JSON Schema to the subset of OpenAPI that Vertex AI takes.
//! <https://ai.google.dev/api/caching#Schema>

mod plain;
mod subset;

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::ir::Json;

/// A schema in Gemini's own form (`"type": "OBJECT"` or `6`, `nullable`, `propertyOrdering`) as JSON Schema.
pub(super) fn of_gemini(schema: &RawValue) -> Json<'_> {
    Cow::Owned(plain::schema(schema))
}

/// A schema that should be JSON Schema already; Gemini CLI writes its types in upper case.
pub(super) fn of_json_schema(schema: &RawValue) -> Json<'_> {
    if plain::has_gemini_types(schema.get()) {
        Cow::Owned(plain::schema(schema))
    } else {
        Cow::Borrowed(schema)
    }
}

/// A JSON Schema in Gemini's subset, and whether it lost a rule on the way.
pub(super) fn to_gemini(schema: &RawValue) -> (Box<RawValue>, bool) {
    subset::schema(schema)
}

/// Whether a schema of arguments has any: an object type without properties is refused by Vertex AI.
pub(super) fn has_properties(schema: &RawValue) -> bool {
    subset::has_properties(schema)
}

/// How deep schemas are followed: real ones stay below ten, and what nests deeper is copied unread.
const DEEPEST: usize = 64;

/// The names of types, in the order of their numbers.
const TYPES: [&str; 8] =
    ["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"];

/// Appends a JSON string.
fn push_text(out: &mut String, text: &str) {
    // A string always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Appends `"key":`, after a comma unless it is the object's first.
fn push_key(out: &mut String, key: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    push_text(out, key);
    out.push(':');
}

/// Text that was written here as JSON.
fn raw(text: String) -> Box<RawValue> {
    // What was assembled from valid pieces is valid; an empty schema allows everything.
    RawValue::from_string(text).unwrap_or_default()
}
