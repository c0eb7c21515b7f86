//! What OpenAI demands of a schema.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::dialects::openai_chat::wire::Str;

/// The parts of a schema that strict mode looks at.
#[derive(Deserialize)]
struct Node<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Kind<'a>>,
    #[serde(borrow)]
    properties: Option<BTreeMap<Cow<'a, str>, Schema<'a>>>,
    #[serde(borrow)]
    required: Option<Vec<Str<'a>>>,
    #[serde(rename = "additionalProperties")]
    additional: Option<Closed>,
    #[serde(borrow)]
    items: Option<Box<Schema<'a>>>,
    #[serde(borrow, rename = "anyOf")]
    any_of: Option<Vec<Schema<'a>>>,
    #[serde(borrow, rename = "$defs")]
    defs: Option<BTreeMap<Cow<'a, str>, Schema<'a>>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Schema<'a> {
    #[serde(borrow)]
    Node(Node<'a>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Kind<'a> {
    #[serde(borrow)]
    One(Str<'a>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Closed {
    Bool(bool),
    Other(IgnoredAny),
}

/// Whether strict mode takes a schema: every object closed, every property required.
/// <https://platform.openai.com/docs/guides/structured-outputs#supported-schemas>
pub(super) fn is_strict(schema: &str) -> bool {
    serde_json::from_str::<Schema<'_>>(schema).is_ok_and(|schema| schema.is_strict())
}

impl Schema<'_> {
    fn is_strict(&self) -> bool {
        match self {
            Self::Node(node) => node.is_strict(),
            Self::Other(_) => true,
        }
    }
}

impl Node<'_> {
    fn is_strict(&self) -> bool {
        let object = matches!(&self.kind, Some(Kind::One(Str(kind))) if kind == "object");
        let properties = || self.properties.iter().flatten();
        if object || self.properties.is_some() {
            let required = |name: &str| self.required.iter().flatten().any(|it| it.0 == name);
            if !matches!(self.additional, Some(Closed::Bool(false)))
                || !properties().all(|(name, _)| required(name))
            {
                return false;
            }
        }
        properties().all(|(_, schema)| schema.is_strict())
            && self.items.iter().all(|schema| schema.is_strict())
            && self.any_of.iter().flatten().all(Schema::is_strict)
            && self.defs.iter().flatten().all(|(_, schema)| schema.is_strict())
    }
}

/// A function's schema as OpenAI takes it: it refuses an object without `properties` ("object schema missing
/// properties"), which the others allow.
pub(super) fn parameters(schema: Option<&str>) -> Cow<'_, str> {
    const EMPTY: &str = r#"{"type":"object","properties":{}}"#;
    let Some(schema) = schema.map(str::trim).filter(|schema| *schema != "null") else {
        return EMPTY.into();
    };
    if schema.contains("\"properties\"") || schema.contains("\"$ref\"") {
        return schema.into();
    }
    let Some(members) = schema.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return schema.into();
    };
    let members = members.trim();
    if members.is_empty() {
        return EMPTY.into();
    }
    let kind = if members.contains("\"type\"") { "" } else { r#""type":"object","# };
    format!(r#"{{{kind}"properties":{{}},{members}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strict_mode() {
        for (schema, fits) in [
            (r#"{"type":"object","properties":{},"additionalProperties":false}"#, true),
            (r#"{"type":"object","properties":{}}"#, false),
            (
                r#"{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"],"additionalProperties":false}"#,
                true,
            ),
            (
                r#"{"type":"object","properties":{"a":{}},"required":[],"additionalProperties":false}"#,
                false,
            ),
            (
                r#"{"type":"object","properties":{"a":{"type":"array","items":{"type":"object"}}},"required":["a"],"additionalProperties":false}"#,
                false,
            ),
            (r#"{"anyOf":[{"type":"string"},{"type":"object"}]}"#, false),
            (r#"{"$defs":{"x":{"properties":{}}}}"#, false),
            ("true", true),
            ("{", false),
        ] {
            assert_eq!(is_strict(schema), fits, "{schema}");
        }
    }

    #[test]
    fn objects_have_properties() {
        let empty = r#"{"type":"object","properties":{}}"#;
        for (schema, sent) in [
            (None, empty),
            (Some("{}"), empty),
            (Some("null"), empty),
            (Some(empty), empty),
            (Some(r#"{ "type": "object" }"#), r#"{"properties":{},"type": "object"}"#),
            (
                Some(r#"{"additionalProperties":true}"#),
                r#"{"type":"object","properties":{},"additionalProperties":true}"#,
            ),
        ] {
            assert_eq!(parameters(schema), sent);
        }
    }
}
