//! Turns and their parts, the same in requests and answers. <https://ai.google.dev/api/caching#Content>

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize, Serializer};

use super::{Many, Present, Raw, Str};

/// One turn. A bare string is the user's text.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Content<'a> {
    /// Its parts.
    pub(crate) parts: Many<Part<'a>>,
    /// `user` or `model`; older SDKs say `function`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Str<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(DeriveDeserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            parts: Option<Many<Part<'a>>>,
            #[serde(borrow)]
            role: Option<Str<'a>>,
        }
        struct TextOrObject;
        impl<'de> Visitor<'de> for TextOrObject {
            type Value = Content<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a content with parts")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let fields = Fields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Content { parts: fields.parts.unwrap_or_default(), role: fields.role })
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Content { parts: Many(vec![Part::text(text.into())]), role: None })
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                let part = Part::text(text.to_owned().into());
                Ok(Content { parts: Many(vec![part]), role: None })
            }
        }
        deserializer.deserialize_any(TextOrObject)
    }
}

/// One part: at most one of its kinds of data is set.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Part<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Str<'a>>,
    /// Whether the text is thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thought: Option<bool>,
    #[serde(borrow, alias = "inline_data", skip_serializing_if = "Option::is_none")]
    pub(crate) inline_data: Option<Blob<'a>>,
    #[serde(borrow, alias = "file_data", skip_serializing_if = "Option::is_none")]
    pub(crate) file_data: Option<FileData<'a>>,
    #[serde(borrow, alias = "function_call", skip_serializing_if = "Option::is_none")]
    pub(crate) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow, alias = "function_response", skip_serializing_if = "Option::is_none")]
    pub(crate) function_response: Option<FunctionResponse<'a>>,
    #[serde(borrow, alias = "executable_code", skip_serializing_if = "Option::is_none")]
    pub(crate) executable_code: Option<Raw<'a>>,
    #[serde(borrow, alias = "code_execution_result", skip_serializing_if = "Option::is_none")]
    pub(crate) code_execution_result: Option<Raw<'a>>,
    #[serde(borrow, alias = "tool_call", skip_serializing_if = "Option::is_none")]
    pub(crate) tool_call: Option<Raw<'a>>,
    #[serde(borrow, alias = "tool_response", skip_serializing_if = "Option::is_none")]
    pub(crate) tool_response: Option<Raw<'a>>,
    /// What the provider needs back with this part. <https://ai.google.dev/gemini-api/docs/thought-signatures>
    #[serde(borrow, alias = "thought_signature", skip_serializing_if = "Option::is_none")]
    pub(crate) thought_signature: Option<Str<'a>>,
    #[serde(alias = "video_metadata", skip_serializing)]
    pub(crate) video_metadata: Option<Present>,
    #[serde(alias = "media_resolution", skip_serializing)]
    pub(crate) media_resolution: Option<Present>,
}

impl<'a> Part<'a> {
    /// A part of text.
    pub(crate) fn text(text: Str<'a>) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    /// What Google did on its side, under its key.
    pub(crate) fn take_hosted(&mut self) -> Option<(&'static str, Raw<'a>)> {
        let of = |key: &'static str, raw: &mut Option<Raw<'a>>| raw.take().map(|raw| (key, raw));
        of("executableCode", &mut self.executable_code)
            .or_else(|| of("codeExecutionResult", &mut self.code_execution_result))
            .or_else(|| of("toolCall", &mut self.tool_call))
            .or_else(|| of("toolResponse", &mut self.tool_response))
    }
}

/// Bytes of a medium.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Blob<'a> {
    #[serde(borrow, alias = "mime_type", skip_serializing_if = "Option::is_none")]
    pub(crate) mime_type: Option<Str<'a>>,
    /// Base64; google-genai 3 writes its URL-safe alphabet.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) data: Option<Str<'a>>,
    /// Vertex AI alone knows it.
    #[serde(borrow, alias = "display_name", skip_serializing)]
    pub(crate) display_name: Option<Str<'a>>,
}

/// A medium by its address. <https://ai.google.dev/gemini-api/docs/file-input-methods>
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FileData<'a> {
    #[serde(borrow, alias = "file_uri")]
    pub(crate) file_uri: Str<'a>,
    #[serde(borrow, alias = "mime_type", skip_serializing_if = "Option::is_none")]
    pub(crate) mime_type: Option<Str<'a>>,
    /// Vertex AI alone knows it.
    #[serde(borrow, alias = "display_name", skip_serializing)]
    pub(crate) display_name: Option<Str<'a>>,
}

/// A call, whole or streamed in pieces. <https://ai.google.dev/gemini-api/docs/function-calling>
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FunctionCall<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Str<'a>>,
    /// An object.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<Raw<'a>>,
    /// Pieces of the arguments: Vertex AI streams them so where `streamFunctionCallArguments` asks for it.
    #[serde(borrow, alias = "partial_args", skip_serializing)]
    pub(crate) partial_args: Option<Vec<PartialArg<'a>>>,
    /// Whether more pieces follow.
    #[serde(alias = "will_continue", skip_serializing)]
    pub(crate) will_continue: Option<bool>,
}

/// One piece of a call's arguments: a value, and where in the arguments it belongs.
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc>
#[derive(Clone, Debug, Default, DeriveDeserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PartialArg<'a> {
    /// RFC 9535: `$.location`, `$.items[0].name`.
    #[serde(borrow, alias = "json_path")]
    pub(crate) json_path: Str<'a>,
    #[serde(borrow, alias = "string_value")]
    pub(crate) string_value: Option<Str<'a>>,
    #[serde(borrow, alias = "number_value")]
    pub(crate) number_value: Option<Raw<'a>>,
    #[serde(alias = "bool_value")]
    pub(crate) bool_value: Option<bool>,
    /// Whether the next piece of this place goes on with its string.
    #[serde(alias = "will_continue")]
    pub(crate) will_continue: Option<bool>,
}

/// What a function answered.
#[derive(Clone, Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FunctionResponse<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Str<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<Answered<'a>>,
    /// Media of the answer; Gemini 3 and later take them.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) parts: Option<Vec<Part<'a>>>,
}

/// The words of a function: always an object.
#[derive(Clone, Debug)]
pub(crate) enum Answered<'a> {
    /// As it stands.
    Object(Raw<'a>),
    /// A text, as the value of this key.
    Text(&'static str, Cow<'a, str>),
}

impl<'a> Answered<'a> {
    /// The object, where it came as one: whatever was read did.
    pub(crate) fn into_raw(self) -> Option<Raw<'a>> {
        match self {
            Self::Object(raw) => Some(raw),
            Self::Text(..) => None,
        }
    }
}

impl Serialize for Answered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Object(raw) => raw.serialize(serializer),
            Self::Text(key, text) => serializer.collect_map([(key, text)]),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Answered<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(Self::Object)
    }
}

/// The kind of a server-side tool call.
#[derive(Clone, Debug, Default, DeriveDeserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ToolKind<'a> {
    #[serde(borrow, alias = "tool_type")]
    pub(crate) tool_type: Option<Str<'a>>,
}
