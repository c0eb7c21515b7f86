//! One schema, its keywords gathered.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::gemini::request::schema::TYPES;

/// A schema with its references and `allOf` taken in.
#[derive(Default)]
pub(super) struct Node<'a> {
    pub(super) types: Vec<String>,
    pub(super) nullable: bool,
    pub(super) description: Option<&'a RawValue>,
    pub(super) choices: Option<Vec<String>>,
    pub(super) properties: Vec<(Cow<'a, str>, &'a RawValue)>,
    pub(super) required: Vec<String>,
    pub(super) items: Option<&'a RawValue>,
    pub(super) any_of: Vec<&'a RawValue>,
    /// Keywords that mean the same on both sides.
    pub(super) same: Vec<(&'static str, &'a RawValue)>,
    /// The definitions that it was taken from.
    pub(super) references: Vec<String>,
}

impl Node<'_> {
    pub(super) fn absorb_types(&mut self, value: &RawValue) {
        let names = serde_json::from_str::<String>(value.get())
            .map(|name| vec![name])
            .or_else(|_| serde_json::from_str::<Vec<String>>(value.get()))
            .unwrap_or_default();
        self.types.clear();
        for name in names {
            let name = name.to_ascii_uppercase();
            if name == "NULL" {
                self.nullable = true;
            } else if TYPES.contains(&name.as_str()) {
                self.types.push(name);
            }
        }
    }

    /// Only strings may be chosen from. Gives whether all could be kept.
    pub(super) fn absorb_choices(&mut self, value: &RawValue) -> bool {
        let all = serde_json::from_str::<Vec<&RawValue>>(value.get()).unwrap_or_default();
        let mut choices = Vec::with_capacity(all.len());
        for choice in all {
            match serde_json::from_str::<String>(choice.get()) {
                Ok(text) => choices.push(text),
                Err(_) if choice.get() == "null" => self.nullable = true,
                Err(_) => return false,
            }
        }
        self.choices = Some(choices);
        true
    }

    pub(super) fn absorb_constant(&mut self, value: &RawValue) -> bool {
        let text = serde_json::from_str::<String>(value.get());
        let is_text = text.is_ok();
        self.choices = text.ok().map(|text| vec![text]).or_else(|| self.choices.take());
        is_text
    }

    /// The one type it has, said or plain from its keywords.
    pub(super) fn type_name(&self) -> Option<&str> {
        match self.types.first() {
            Some(said) => Some(said),
            None if self.choices.is_some() => Some("STRING"),
            None if !self.properties.is_empty() => Some("OBJECT"),
            None => self.items.is_some().then_some("ARRAY"),
        }
    }
}
