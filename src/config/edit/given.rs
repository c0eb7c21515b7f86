//! A value that is asked for: whatever JSON can say, with its keys in order.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value to write. It may hold a secret, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub enum Given {
    /// None: the key goes, and with it what was written there.
    Null,
    /// `true` or `false`.
    Truth(bool),
    /// A number as it is written.
    Number(String),
    /// A text, which may hold `${NAME}` as in the file.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// Keys and values, in order, each key once.
    Map(Vec<(String, Self)>),
}

impl Given {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The text at a key of a mapping, where there is one.
    pub fn text_at(&self, key: &str) -> Option<&str> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find_map(|(name, value)| match value {
            Self::Text(text) if name == key => Some(text.as_str()),
            Self::Null
            | Self::Truth(_)
            | Self::Number(_)
            | Self::Text(_)
            | Self::List(_)
            | Self::Map(_) => None,
        })
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Given;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Given, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Given, E> {
        Ok(Given::Truth(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given, E> {
        Ok(Given::Number(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Given, E> {
        Ok(Given::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Given, E> {
        Ok(Given::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given, E> {
        Ok(Given::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Given, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Given::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Given, A::Error> {
        let mut map: Vec<(String, Given)> = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, Given>()? {
            if map.iter().any(|(other, _)| *other == key) {
                return Err(de::Error::custom("a key is written twice"));
            }
            map.push((key, value));
        }
        Ok(Given::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_taken_as_it_is() {
        let json = r#"{"b": [1, -2, 1.5, true, null], "a": {"x": "ü"}}"#;
        let expected = Given::Map(vec![
            (
                "b".to_owned(),
                Given::List(vec![
                    Given::Number("1".to_owned()),
                    Given::Number("-2".to_owned()),
                    Given::Number("1.5".to_owned()),
                    Given::Truth(true),
                    Given::Null,
                ]),
            ),
            ("a".to_owned(), Given::Map(vec![("x".to_owned(), Given::text("ü"))])),
        ]);
        assert!(serde_json::from_str::<Given>(json).unwrap() == expected);
        assert!(serde_json::from_str::<Given>(r#"{"a": 1, "a": 2}"#).is_err());
    }
}
