//! GenerateContentRequest. <https://ai.google.dev/api/generate-content#request-body>

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};
use serde_json::value::RawValue;

use super::part::Content;
use super::{Empty, Int, Many, Present, Raw, Str, Word};

/// What a client asks. The model and whether to stream stand in the path.
#[derive(Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Request<'a> {
    /// `models/…`: said in a count alone, and read nowhere.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<Str<'a>>,
    #[serde(borrow, alias = "system_instruction", skip_serializing_if = "Option::is_none")]
    pub(crate) system_instruction: Option<Content<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) contents: Option<Many<Content<'a>>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<Many<Tool<'a>>>,
    #[serde(borrow, alias = "tool_config", skip_serializing_if = "Option::is_none")]
    pub(crate) tool_config: Option<ToolConfig<'a>>,
    #[serde(borrow, alias = "generation_config", skip_serializing_if = "Option::is_none")]
    pub(crate) generation_config: Option<GenerationConfig<'a>>,
    #[serde(borrow, alias = "service_tier", skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<Str<'a>>,
    #[serde(borrow, alias = "cached_content", skip_serializing)]
    pub(crate) cached_content: Option<Str<'a>>,
    #[serde(alias = "safety_settings", skip_serializing)]
    pub(crate) safety_settings: Option<Present>,
    #[serde(alias = "model_armor_config", skip_serializing)]
    pub(crate) model_armor_config: Option<Present>,
    #[serde(skip_serializing)]
    pub(crate) labels: Option<Present>,
    #[serde(skip_serializing)]
    pub(crate) store: Option<Present>,
    /// countTokens wraps a whole request in this.
    #[serde(
        borrow,
        rename = "generateContentRequest",
        alias = "generate_content_request",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) wrapped: Option<Box<Self>>,
}

/// One entry of `tools`: functions, or tools that Google runs.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tool<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) function_declarations: Vec<FunctionDeclaration<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) google_search: Option<Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_execution: Option<Empty>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url_context: Option<Empty>,
    /// Every tool of a client's that is no function, by its key.
    #[serde(skip)]
    pub(crate) hosted: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Tool<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Tool<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a tool")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut tool = Tool::default();
                while let Some(Str(key)) = map.next_key::<Str<'de>>()? {
                    tool.take_member(key, &mut map)?;
                }
                Ok(tool)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl<'a> Tool<'a> {
    /// Takes the value of a key.
    fn take_member<'de: 'a, A: MapAccess<'de>>(
        &mut self,
        key: Cow<'a, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        if key == "functionDeclarations" || key == "function_declarations" {
            let list = map.next_value::<Option<Many<FunctionDeclaration<'a>>>>()?;
            self.function_declarations.extend(list.unwrap_or_default().0);
        } else if let Some(settings) = map.next_value::<Option<&'a RawValue>>()? {
            self.hosted.push((key, settings));
        }
        Ok(())
    }
}

/// A function that the client runs. <https://ai.google.dev/api/caching#FunctionDeclaration>
#[derive(Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FunctionDeclaration<'a> {
    #[serde(borrow)]
    pub(crate) name: Str<'a>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<Str<'a>>,
    /// Its arguments in Gemini's own subset of OpenAPI.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) parameters: Option<Raw<'a>>,
    /// Its arguments as JSON Schema.
    #[serde(borrow, alias = "parameters_json_schema", skip_serializing_if = "Option::is_none")]
    pub(crate) parameters_json_schema: Option<Raw<'a>>,
    #[serde(skip_serializing)]
    pub(crate) response: Option<Present>,
    #[serde(alias = "response_json_schema", skip_serializing)]
    pub(crate) response_json_schema: Option<Present>,
}

/// How tools may be used.
#[derive(Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ToolConfig<'a> {
    #[serde(borrow, alias = "function_calling_config", skip_serializing_if = "Option::is_none")]
    pub(crate) function_calling_config: Option<FunctionCallingConfig<'a>>,
    /// Gemini 3: functions and Google's own tools in one request.
    #[serde(
        alias = "include_server_side_tool_invocations",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) include_server_side_tool_invocations: Option<bool>,
    #[serde(alias = "retrieval_config", skip_serializing)]
    pub(crate) retrieval_config: Option<Present>,
}

/// Whether and which functions must be called.
#[derive(Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct FunctionCallingConfig<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<Word<'a>>,
    #[serde(borrow, alias = "allowed_function_names", skip_serializing_if = "Option::is_none")]
    pub(crate) allowed_function_names: Option<Vec<Str<'a>>>,
    #[serde(alias = "stream_function_call_arguments", skip_serializing)]
    pub(crate) stream_function_call_arguments: Option<Present>,
}

/// How to answer. <https://ai.google.dev/api/generate-content#generationconfig>
#[derive(Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f64>,
    #[serde(alias = "top_p", skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f64>,
    #[serde(alias = "top_k", skip_serializing_if = "Option::is_none")]
    pub(crate) top_k: Option<Int>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<Int>,
    #[serde(alias = "presence_penalty", skip_serializing_if = "Option::is_none")]
    pub(crate) presence_penalty: Option<f64>,
    #[serde(alias = "frequency_penalty", skip_serializing_if = "Option::is_none")]
    pub(crate) frequency_penalty: Option<f64>,
    #[serde(alias = "max_output_tokens", skip_serializing_if = "Option::is_none")]
    pub(crate) max_output_tokens: Option<Int>,
    #[serde(alias = "candidate_count", skip_serializing_if = "Option::is_none")]
    pub(crate) candidate_count: Option<Int>,
    #[serde(borrow, alias = "stop_sequences", skip_serializing_if = "Option::is_none")]
    pub(crate) stop_sequences: Option<Vec<Str<'a>>>,
    #[serde(borrow, alias = "response_mime_type", skip_serializing_if = "Option::is_none")]
    pub(crate) response_mime_type: Option<Str<'a>>,
    /// In Gemini's own subset of OpenAPI.
    #[serde(borrow, alias = "response_schema", skip_serializing_if = "Option::is_none")]
    pub(crate) response_schema: Option<Raw<'a>>,
    /// As JSON Schema.
    #[serde(
        borrow,
        alias = "response_json_schema",
        alias = "_responseJsonSchema",
        skip_serializing_if = "Option::is_none"
    )]
    pub(crate) response_json_schema: Option<Raw<'a>>,
    #[serde(borrow, alias = "response_format", skip_serializing)]
    pub(crate) response_format: Option<ResponseFormat<'a>>,
    #[serde(alias = "response_logprobs", skip_serializing_if = "Option::is_none")]
    pub(crate) response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logprobs: Option<Int>,
    #[serde(borrow, alias = "thinking_config", skip_serializing_if = "Option::is_none")]
    pub(crate) thinking_config: Option<ThinkingConfig<'a>>,
    #[serde(borrow, alias = "response_modalities", skip_serializing)]
    pub(crate) response_modalities: Option<Vec<Word<'a>>>,
    #[serde(alias = "speech_config", skip_serializing)]
    pub(crate) speech_config: Option<Present>,
    #[serde(alias = "translation_config", skip_serializing)]
    pub(crate) translation_config: Option<Present>,
    #[serde(alias = "image_config", skip_serializing)]
    pub(crate) image_config: Option<Present>,
    #[serde(alias = "media_resolution", skip_serializing)]
    pub(crate) media_resolution: Option<Present>,
}

/// The newer word for the answer's form.
#[derive(Debug, Default, DeriveDeserialize)]
#[serde(default)]
pub(crate) struct ResponseFormat<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<TextFormat<'a>>,
    pub(crate) audio: Option<Present>,
    pub(crate) image: Option<Present>,
}

/// The form of the answer's text.
#[derive(Debug, Default, DeriveDeserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct TextFormat<'a> {
    /// `APPLICATION_JSON` or `TEXT_PLAIN`.
    #[serde(borrow, alias = "mime_type")]
    pub(crate) mime_type: Option<Word<'a>>,
    /// JSON Schema.
    #[serde(borrow)]
    pub(crate) schema: Option<Raw<'a>>,
}

/// How much to think. <https://ai.google.dev/gemini-api/docs/thinking>
#[derive(Debug, Default, DeriveDeserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ThinkingConfig<'a> {
    #[serde(alias = "include_thoughts", skip_serializing_if = "Option::is_none")]
    pub(crate) include_thoughts: Option<bool>,
    /// Gemini 2.5: tokens at most, 0 for none, -1 for as many as it likes.
    #[serde(alias = "thinking_budget", skip_serializing_if = "Option::is_none")]
    pub(crate) thinking_budget: Option<Int>,
    /// Gemini 3: `MINIMAL`, `LOW`, `MEDIUM`, `HIGH`.
    #[serde(borrow, alias = "thinking_level", skip_serializing_if = "Option::is_none")]
    pub(crate) thinking_level: Option<Word<'a>>,
}
