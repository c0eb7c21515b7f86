//! How is a request said to an account that speaks this dialect?

use serde::Serialize;
use serde_json::value::RawValue;

use super::history::History;
use super::models::{self, ReasoningOut};
use super::settings::{self, ChoiceOut, TextOut, ToolOut};
use crate::dialects::Target;
use crate::dialects::openai_responses::wire::input::InputItem;
use crate::dialects::tools::Toolbox;
use crate::ir::losses::Losses;
use crate::ir::request::Request;

/// The least that the API takes. <https://platform.openai.com/docs/api-reference/responses/create>
const LEAST_OUTPUT: u64 = 16;
/// The longest end user id that the API takes.
const LONGEST_USER: usize = 64;

#[derive(Default, Serialize)]
struct Body<'r> {
    model: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<String>,
    input: Vec<InputItem<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceOut<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<ReasoningOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextOut<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'r RawValue>,
}

/// Writes a request for an account.
pub fn render(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let mut losses = Losses::default();
    unsayable(request, &mut losses);
    let body = Body {
        max_output_tokens: request.max_output.map(|tokens| tokens.max(LEAST_OUTPUT)),
        temperature: request.sampling.temperature,
        top_p: request.sampling.top_p,
        top_logprobs: request.logprobs.filter(|count| *count > 0),
        include: include(request, target.model),
        stream: Some(request.stream),
        // The client sends the whole conversation with every turn, so nothing needs to be kept, and what is kept for a
        // client that never asked for it is a breach of its privacy.
        store: Some(false),
        service_tier: settings::service_tier(request, &mut losses),
        safety_identifier: request.user.as_deref().map(user),
        prompt_cache_key: request.cache_key.as_deref(),
        metadata: request.metadata.as_deref(),
        ..prompt(request, target, toolbox, &mut losses)
    };
    super::super::json(&body, out);
    losses
}

/// Writes a request whose tokens are to be counted: what has no tokens is refused there.
/// <https://platform.openai.com/docs/api-reference/responses/input-tokens>
pub fn render_count(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let mut losses = Losses::default();
    let body = prompt(request, target, toolbox, &mut losses);
    super::super::json(&body, out);
    losses
}

/// What the model reads, and how it is to think.
fn prompt<'r>(
    request: &'r Request<'_>,
    target: Target<'r>,
    toolbox: &'r Toolbox,
    losses: &mut Losses,
) -> Body<'r> {
    let (instructions, input) = History::new(target, toolbox, losses).read(&request.turns);
    let tools = settings::tools(request, toolbox, losses);
    let some_tools = !tools.is_empty();
    Body {
        model: target.model,
        instructions,
        input,
        tool_choice: settings::choice(request, toolbox).filter(|_| some_tools),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| some_tools),
        tools,
        reasoning: models::reasoning(request.reasoning, target.model, losses),
        text: settings::text(request, losses),
        ..Body::default()
    }
}

/// Notes what the API has no fields for.
fn unsayable(request: &Request<'_>, losses: &mut Losses) {
    losses.drop_some(&request.sampling.top_k, "top_k");
    losses.drop_some(&request.sampling.seed, "seed");
    losses.drop_some(&request.sampling.presence_penalty, "presence_penalty");
    losses.drop_some(&request.sampling.frequency_penalty, "frequency_penalty");
    if !request.stop.is_empty() {
        losses.drop("stop");
    }
    if request.candidates.is_some_and(|count| count > 1) {
        losses.refuse("n", "the account's API (OpenAI Responses) gives one answer at a time");
    }
}

/// What the answer is to tell besides. A stateless conversation needs the encrypted reasoning back, so it is always asked
/// for; but a model that does not reason answers that with a 400 ("Encrypted content is not supported with this model").
fn include(request: &Request<'_>, model: &str) -> Vec<&'static str> {
    let mut include = Vec::new();
    if models::reasons(model) {
        include.push("reasoning.encrypted_content");
    }
    if request.logprobs.is_some() {
        include.push("message.output_text.logprobs");
    }
    include
}

/// The end user's id; a longer one than the API takes becomes its hash, which tells users apart as well.
fn user(user: &str) -> String {
    if user.chars().count() <= LONGEST_USER { user.to_owned() } else { super::super::hash(user) }
}
