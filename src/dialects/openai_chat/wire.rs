//! OpenAI Chat Completions as it stands on the wire: types and nothing else.
//! <https://platform.openai.com/docs/api-reference/chat>
#![expect(
    missing_docs,
    reason = "the fields are the protocol's own, documented where the types say"
)]

pub mod answer;
pub mod json;
pub mod request;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::ir::{Json, Text};

/// Text that borrows from the body. (serde never borrows a `Cow` inside an `Option` or a `Vec`.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Str<'a>(pub Text<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(Str(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(Strings)
    }
}

/// Any JSON value, as text.
#[derive(Clone, Debug)]
pub struct Raw<'a>(pub Json<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Cow::Borrowed(<&'de RawValue>::deserialize(deserializer)?)))
    }
}

/// A string or a number, where compatible providers differ; anything else counts as absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Scalar<'a> {
    Text(Text<'a>),
    Count(u64),
    Number(f64),
    #[default]
    Other,
}

impl<'a> Scalar<'a> {
    /// The text, empty where it is none.
    pub fn text(self) -> Text<'a> {
        match self {
            Self::Text(text) => text,
            Self::Count(_) | Self::Number(_) | Self::Other => Cow::Borrowed(""),
        }
    }

    /// The whole number, where it is one.
    pub fn count(&self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(*count),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a whole number, written as 12.0"
            )]
            Self::Number(number) if *number >= 0.0 => Some(*number as u64),
            Self::Text(text) => text.parse().ok(),
            Self::Number(_) | Self::Other => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalars;
        impl<'de> Visitor<'de> for Scalars {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a number")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Count(count))
            }
            #[expect(clippy::cast_precision_loss, reason = "negative numbers are counted nowhere")]
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(number))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(Scalars)
    }
}

/// A string, or in its place the object or list that says more.
#[derive(Debug)]
pub enum OrText<'a, T> {
    Text(Text<'a>),
    Other(T),
}

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for OrText<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OrText<'de, T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or what may stand for one")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(OrText::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(OrText::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
                Ok(OrText::Text(Cow::Owned(text)))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                T::deserialize(SeqAccessDeserializer::new(seq)).map(OrText::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(OrText::Other)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// A message's content: a string, or a list of parts.
pub type Content<'a> = OrText<'a, Vec<ContentPart<'a>>>;

/// Where a medium is; some clients send the address alone.
pub type MediaUrl<'a> = OrText<'a, UrlObject<'a>>;

/// A recording; Mistral takes the data, or an address, alone.
pub type InputAudio<'a> = OrText<'a, AudioObject<'a>>;

/// One part of a message's content; which fields it has follows from its type.
#[derive(Debug, Default, Deserialize)]
pub struct ContentPart<'a> {
    #[serde(borrow, rename = "type")]
    pub kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub image_url: Option<MediaUrl<'a>>,
    #[serde(borrow)]
    pub video_url: Option<MediaUrl<'a>>,
    #[serde(borrow)]
    pub input_audio: Option<InputAudio<'a>>,
    #[serde(borrow)]
    pub file: Option<InputFile<'a>>,
    /// Mistral: a list of text parts. <https://docs.mistral.ai/capabilities/reasoning>
    #[serde(borrow)]
    pub thinking: Option<Content<'a>>,
    pub cache_control: Option<IgnoredAny>,
}

/// An address.
#[derive(Debug, Deserialize)]
pub struct UrlObject<'a> {
    #[serde(borrow)]
    pub url: Option<Str<'a>>,
    #[serde(borrow)]
    pub detail: Option<Str<'a>>,
}

/// A recording in base64, and its format (`wav`).
#[derive(Debug, Deserialize)]
pub struct AudioObject<'a> {
    #[serde(borrow)]
    pub data: Option<Str<'a>>,
    #[serde(borrow)]
    pub format: Option<Str<'a>>,
}

/// A document.
#[derive(Debug, Default, Deserialize)]
pub struct InputFile<'a> {
    #[serde(borrow)]
    pub file_data: Option<Str<'a>>,
    #[serde(borrow)]
    pub file_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub filename: Option<Str<'a>>,
}

/// A call of a tool, whole or a piece of one.
#[derive(Debug, Default, Deserialize)]
pub struct ToolCall<'a> {
    #[serde(borrow)]
    pub index: Option<Scalar<'a>>,
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub function: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub custom: Option<CustomCall<'a>>,
    #[serde(borrow)]
    pub extra_content: Option<ExtraContent<'a>>,
}

/// The function that is called, and with what.
#[derive(Debug, Default, Deserialize)]
pub struct FunctionCall<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub arguments: Option<Arguments<'a>>,
}

/// The custom tool that is called, and with what.
#[derive(Debug, Default, Deserialize)]
pub struct CustomCall<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub input: Option<Str<'a>>,
}

/// Google's own fields in its compatible API. <https://ai.google.dev/gemini-api/docs/thought-signatures>
#[derive(Debug, Default, Deserialize)]
pub struct ExtraContent<'a> {
    #[serde(borrow)]
    pub google: Option<GoogleContent<'a>>,
}

/// The signature of a call.
#[derive(Debug, Default, Deserialize)]
pub struct GoogleContent<'a> {
    #[serde(borrow)]
    pub thought_signature: Option<Str<'a>>,
}

/// The arguments of a call: JSON text in a string, as the protocol has it, or the object itself, as some say it.
#[derive(Debug)]
pub enum Arguments<'a> {
    Text(Text<'a>),
    Object(Text<'a>),
}

impl<'a> Arguments<'a> {
    /// The JSON text.
    pub fn text(self) -> Text<'a> {
        match self {
            Self::Text(text) | Self::Object(text) => text,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Arguments<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if raw.starts_with('"') {
            let Str(text) = serde_json::from_str(raw).map_err(serde::de::Error::custom)?;
            return Ok(Self::Text(text));
        }
        let text = if raw == "null" { "" } else { raw };
        Ok(Self::Object(Cow::Borrowed(text)))
    }
}
