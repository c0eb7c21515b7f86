//! The settings of a request that its answer repeats. <https://platform.openai.com/docs/api-reference/responses/object>

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::value::RawValue;

use super::parse::Raws;
use crate::dialects::openai_responses;
use crate::dialects::openai_responses::wire::request::{Request, Tool};
use crate::dialects::openai_responses::wire::text::Str;

/// What an answer repeats where the request said nothing.
static TEXT_FORMAT: Usual = LazyLock::new(|| serde_json::from_str(r#"{"type":"text"}"#).ok());
static TOOL_CHOICE: Usual = LazyLock::new(|| serde_json::from_str(r#""auto""#).ok());
static METADATA: Usual = LazyLock::new(|| serde_json::from_str("{}").ok());

type Usual = LazyLock<Option<&'static RawValue>>;

/// The members of the response object, in the provider's order.
#[derive(Serialize)]
struct Echo<'e> {
    background: bool,
    instructions: Option<&'e str>,
    max_output_tokens: Option<u64>,
    max_tool_calls: Option<u64>,
    parallel_tool_calls: bool,
    previous_response_id: Option<&'e str>,
    prompt_cache_key: Option<&'e str>,
    reasoning: EchoReasoning<'e>,
    safety_identifier: Option<&'e str>,
    service_tier: &'e str,
    store: bool,
    temperature: f64,
    text: EchoText<'e>,
    tool_choice: Option<&'e RawValue>,
    tools: Vec<EchoTool<'e>>,
    top_logprobs: u32,
    top_p: f64,
    truncation: &'e str,
    user: Option<&'e str>,
    metadata: Option<&'e RawValue>,
}

#[derive(Serialize)]
struct EchoReasoning<'e> {
    effort: Option<&'e str>,
    summary: Option<&'e str>,
}

#[derive(Serialize)]
struct EchoText<'e> {
    format: Option<&'e RawValue>,
    verbosity: &'e str,
}

/// Functions are written anew: SDKs want `parameters` and `strict`, which a request may leave out.
#[derive(Serialize)]
#[serde(untagged)]
enum EchoTool<'e> {
    Function(EchoFunction<'e>),
    Other(&'e RawValue),
}

#[derive(Serialize)]
struct EchoFunction<'e> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'e str,
    description: Option<&'e str>,
    parameters: Option<&'e RawValue>,
    strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    defer_loading: Option<bool>,
}

/// The members as JSON text, without braces.
pub(super) fn members<'a>(wire: &Request<'a>, raws: &mut Raws<'a>) -> String {
    let choice = wire.tool_choice.as_ref().and_then(|_| raws.tool_choice());
    let text = wire.text.as_ref();
    let echo = Echo {
        background: false,
        instructions: string(wire.instructions.as_ref()),
        max_output_tokens: wire.max_output_tokens,
        max_tool_calls: wire.max_tool_calls,
        parallel_tool_calls: wire.parallel_tool_calls.unwrap_or(true),
        previous_response_id: string(wire.previous_response_id.as_ref()),
        prompt_cache_key: string(wire.prompt_cache_key.as_ref()),
        reasoning: reasoning(wire),
        safety_identifier: string(wire.safety_identifier.as_ref()),
        service_tier: string(wire.service_tier.as_ref()).unwrap_or("default"),
        store: wire.store.unwrap_or(true),
        temperature: wire.temperature.unwrap_or(1.0),
        text: EchoText {
            format: text.and_then(|text| text.format).or(*TEXT_FORMAT),
            verbosity: text.and_then(|text| string(text.verbosity.as_ref())).unwrap_or("medium"),
        },
        tool_choice: choice.or(*TOOL_CHOICE),
        tools: tools(wire.tools.as_deref().unwrap_or_default(), raws),
        top_logprobs: wire.top_logprobs.unwrap_or_default(),
        top_p: wire.top_p.unwrap_or(1.0),
        truncation: string(wire.truncation.as_ref()).unwrap_or("disabled"),
        user: string(wire.user.as_ref()),
        metadata: wire.metadata.or(*METADATA),
    };
    let mut json = Vec::with_capacity(1024);
    openai_responses::json(&echo, &mut json);
    openai_responses::one_line(&mut json);
    json.pop();
    let mut json = String::from_utf8(json).unwrap_or_default();
    json.drain(..json.len().min(1));
    json
}

fn string<'e>(string: Option<&'e Str<'_>>) -> Option<&'e str> {
    string.map(|string| string.0.as_ref())
}

fn reasoning<'e>(wire: &'e Request<'_>) -> EchoReasoning<'e> {
    let Some(reasoning) = &wire.reasoning else {
        return EchoReasoning { effort: None, summary: None };
    };
    let (effort, summary) = (reasoning.effort.as_ref(), reasoning.summary.as_ref());
    EchoReasoning { effort: string(effort), summary: string(summary) }
}

fn tools<'e, 'a: 'e>(tools: &'e [Tool<'a>], raws: &mut Raws<'a>) -> Vec<EchoTool<'e>> {
    let one = |(index, tool): (usize, &'e Tool<'a>)| {
        if tool.kind.0 != "function" {
            return raws.tool(index).map(EchoTool::Other);
        }
        Some(EchoTool::Function(EchoFunction {
            kind: "function",
            name: tool.name.as_str(),
            description: tool.description.0.as_deref(),
            parameters: tool.parameters,
            strict: tool.strict.unwrap_or_default(),
            defer_loading: tool.defer_loading,
        }))
    };
    tools.iter().enumerate().filter_map(one).collect()
}
