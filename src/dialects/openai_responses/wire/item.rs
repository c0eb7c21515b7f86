//! Items, of which inputs and outputs alike consist. <https://platform.openai.com/docs/api-reference/responses/object>

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::text::{Loose, Str};

/// One item of an input or an output: the members of all its kinds.
#[derive(Clone, Debug, Deserialize)]
pub struct Item<'a> {
    /// What it is; a message where it is missing.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
    /// Its id.
    #[serde(default, borrow)]
    pub id: Loose<'a>,
    /// `message`: who speaks.
    #[serde(default, borrow)]
    pub role: Loose<'a>,
    /// `message`: what is said; `reasoning`: raw thoughts.
    #[serde(default, borrow)]
    pub content: Content<'a>,
    /// Calls and their outputs: the id that joins them.
    #[serde(default, borrow)]
    pub call_id: Loose<'a>,
    /// Calls: the tool's name.
    #[serde(default, borrow)]
    pub name: Loose<'a>,
    /// Calls: the tool's namespace.
    #[serde(default, borrow)]
    pub namespace: Loose<'a>,
    /// `function_call`: JSON text; `tool_search_call`: an object.
    #[serde(default, borrow)]
    pub arguments: Option<&'a RawValue>,
    /// `custom_tool_call`: free text.
    #[serde(default, borrow)]
    pub input: Loose<'a>,
    /// Outputs: what the tool answered.
    #[serde(default, borrow)]
    pub output: Content<'a>,
    /// `reasoning`: readable thoughts.
    #[serde(default, borrow)]
    pub summary: Content<'a>,
    /// `reasoning`, `compaction`: the provider's proof.
    #[serde(default, borrow)]
    pub encrypted_content: Loose<'a>,
    /// `additional_tools`, `tool_search_output`: tools.
    #[serde(default, borrow)]
    pub tools: Option<&'a RawValue>,
    /// `local_shell_call`, `shell_call`: what to run.
    #[serde(default, borrow)]
    pub action: Option<&'a RawValue>,
    /// `apply_patch_call`: what to change.
    #[serde(default, borrow)]
    pub operation: Option<&'a RawValue>,
    /// `tool_search_call`, `tool_search_output`: who searches.
    #[serde(default, borrow)]
    pub execution: Loose<'a>,
    /// `shell_call`: where it runs.
    #[serde(default, borrow)]
    pub environment: Option<Environment<'a>>,
    /// How far it is.
    #[serde(default, borrow)]
    pub status: Loose<'a>,
    /// `image_generation_call`: the image in base64.
    #[serde(default, borrow)]
    pub result: Loose<'a>,
    /// `image_generation_call`: its file format.
    #[serde(default, borrow)]
    pub output_format: Loose<'a>,
}

/// What a message says or a tool answered: a string, parts, or a shape of its own that is read elsewhere.
#[derive(Clone, Debug, Default)]
pub enum Content<'a> {
    /// Nothing.
    #[default]
    None,
    /// Text.
    Text(Cow<'a, str>),
    /// Parts.
    Parts(Vec<Part<'a>>),
    /// Something else.
    Other,
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or a list of parts")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Content::None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Content::Parts)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Content::Other)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

/// One part of a message, of a tool's answer, or of a summary: the members of all its kinds.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Part<'a> {
    /// What it is.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
    /// Texts.
    #[serde(default, borrow)]
    pub text: Loose<'a>,
    /// `refusal`: its words.
    #[serde(default, borrow)]
    pub refusal: Loose<'a>,
    /// `input_image`: a web address or a data URI.
    #[serde(default, borrow)]
    pub image_url: Loose<'a>,
    /// `input_image`: how closely to look.
    #[serde(default, borrow)]
    pub detail: Loose<'a>,
    /// `input_image`, `input_file`: a file kept by the provider.
    #[serde(default, borrow)]
    pub file_id: Loose<'a>,
    /// `input_file`: its bytes.
    #[serde(default, borrow)]
    pub file_data: Loose<'a>,
    /// `input_file`: its web address.
    #[serde(default, borrow)]
    pub file_url: Loose<'a>,
    /// `input_file`: its name.
    #[serde(default, borrow)]
    pub filename: Loose<'a>,
    /// `input_audio`: its bytes.
    #[serde(default, borrow)]
    pub input_audio: Option<Audio<'a>>,
    /// `input_video`: its web address or a data URI.
    #[serde(default, borrow)]
    pub video_url: Loose<'a>,
    /// `output_text`: its sources.
    #[serde(default, borrow)]
    pub annotations: Option<&'a RawValue>,
    /// `output_text`: how likely its tokens were.
    #[serde(default, borrow)]
    pub logprobs: Option<&'a RawValue>,
    /// Where the prompt cache may end.
    #[serde(default)]
    pub prompt_cache_breakpoint: Option<IgnoredAny>,
}

/// A sound recording.
#[derive(Clone, Debug, Deserialize)]
pub struct Audio<'a> {
    /// Base64.
    #[serde(borrow)]
    pub data: Str<'a>,
    /// `wav` or `mp3`.
    #[serde(borrow)]
    pub format: Str<'a>,
}

/// Where a shell runs.
#[derive(Clone, Debug, Deserialize)]
pub struct Environment<'a> {
    /// `local`, or a container of the provider.
    #[serde(rename = "type", default, borrow)]
    pub kind: Loose<'a>,
}

impl Environment<'_> {
    /// Whether the client runs it.
    pub fn is_local(&self) -> bool {
        matches!(self.kind.as_str(), "" | "local")
    }
}
