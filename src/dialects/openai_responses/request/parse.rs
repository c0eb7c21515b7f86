//! What does a client's request ask?

use std::borrow::Cow;

use serde_json::de::SliceRead;
use serde_json::value::RawValue;

use super::items::Talk;
use super::{echo, locate, tools};
use crate::dialects::openai_responses::{BUILT_IN, wire};
use crate::dialects::{Path, unread};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{
    Amount, Effort, Format, Part, Reasoning, ReplyForm, Request, Role, Sampling, Tool, Verbosity,
};
use wire::text::{Str, TextOr};

/// Fields that say nothing another provider could miss: a translated stream is padded in no case, and the items of hosted
/// tools are told as a whole.
const NEEDLESS: [&str; 15] = [
    "stream_options",
    "input.acknowledged_safety_checks",
    "input.actions",
    "input.approval_request_id",
    "input.approve",
    "input.code",
    "input.container_id",
    "input.error",
    "input.outputs",
    "input.pending_safety_checks",
    "input.queries",
    "input.reason",
    "input.results",
    "input.server_label",
    "input.created_by",
];

/// Reads a client's request.
pub fn parse<'a>(body: &'a [u8], _path: Path<'a>) -> Result<Request<'a>, Error> {
    let mut unread = Losses::default();
    let mut wire: wire::request::Request<'a> =
        unread::read(SliceRead::new(body), &NEEDLESS, &mut unread)
            .map_err(|error| locate::fault(body, &error))?;
    let Some(model) = wire.model.take().filter(|model| !model.0.is_empty()) else {
        return Err(Error::invalid("model", "model is required"));
    };
    let mut raws = Raws::new(body);
    // The echo repeats what the client sent, so it is made before anything is taken out of it.
    let echo = echo::members(&wire, &mut raws);

    let mut losses = unsaid(&wire);
    losses.extend(&unread);
    let mut tools = Vec::new();
    for (index, tool) in wire.tools.take().unwrap_or_default().into_iter().enumerate() {
        tools::declare(tool, None, &format!("tools.{index}"), &mut tools, &mut losses)?;
    }
    let tool_choice = wire.tool_choice.take().map(|choice| tools::choice(choice, &mut losses));
    let mut talk = Talk::new(tools, losses);
    if let Some(instructions) = wire.instructions.take() {
        talk.say(Role::System, Part::Text(instructions.0));
    }
    read_input(&mut wire, &mut talk, &mut raws)?;
    let (mut turns, tools, mut losses) = talk.finish();
    settle_namespaces(&mut turns, &tools);

    Ok(Request {
        model: model.0,
        stream: wire.stream.unwrap_or_default(),
        turns,
        tools,
        tool_choice: tool_choice.transpose()?.unwrap_or_default(),
        parallel_tool_calls: wire.parallel_tool_calls,
        max_output: wire.max_output_tokens,
        sampling: sampling(&wire),
        stop: stop(wire.stop.take()),
        reasoning: reasoning(wire.reasoning.take())?,
        verbosity: verbosity(wire.text.as_ref())?,
        format: format(wire.text.take(), &mut losses)?,
        candidates: None,
        logprobs: logprobs(&wire),
        // `auto` is what every provider does unasked.
        service_tier: text(wire.service_tier.take()).filter(|tier| tier != "auto"),
        user: text(wire.safety_identifier.take()).or_else(|| text(wire.user.take())),
        cache_key: text(wire.prompt_cache_key.take()),
        metadata: wire.metadata.map(Cow::Borrowed),
        reply: ReplyForm { echo: Some(Cow::Owned(echo)), ..ReplyForm::default() },
        unsaid: losses,
    })
}

/// Reads a request whose tokens are to be counted: what has no tokens may be missing, and always may.
/// <https://platform.openai.com/docs/api-reference/responses/input-tokens>
pub fn parse_count(body: &[u8]) -> Result<Request<'_>, Error> {
    parse(body, Path::default())
}

/// Parts of the body as they stand there. Most requests need none of them, so they are looked for when first asked for.
#[derive(Debug)]
pub(super) struct Raws<'a> {
    body: &'a [u8],
    lists: Option<wire::request::RawLists<'a>>,
}

impl<'a> Raws<'a> {
    fn new(body: &'a [u8]) -> Self {
        Self { body, lists: None }
    }

    fn lists(&mut self) -> Option<&wire::request::RawLists<'a>> {
        if self.lists.is_none() {
            self.lists = serde_json::from_slice(self.body).ok();
        }
        self.lists.as_ref()
    }

    /// The item at an index of `input`.
    pub(super) fn item(&mut self, index: usize) -> Option<&'a RawValue> {
        match self.lists()?.input.as_ref()? {
            TextOr::List(items) => items.get(index).copied(),
            TextOr::Text(_) => None,
        }
    }

    /// The tool at an index of `tools`.
    pub(super) fn tool(&mut self, index: usize) -> Option<&'a RawValue> {
        self.lists()?.tools.as_ref()?.get(index).copied()
    }

    /// `tool_choice`.
    pub(super) fn tool_choice(&mut self) -> Option<&'a RawValue> {
        self.lists()?.tool_choice
    }
}

/// What the client set and the ir has no word for.
fn unsaid(wire: &wire::request::Request<'_>) -> Losses {
    let mut losses = Losses::default();
    let kept =
        "the conversation is kept by the provider that made it; send the whole input instead";
    if wire.previous_response_id.is_some() {
        losses.refuse("previous_response_id", kept);
    }
    if wire.conversation.is_some() {
        losses.refuse("conversation", kept);
    }
    if wire.prompt.is_some() {
        losses.refuse("prompt", "the prompt is kept by OpenAI; send its text as instructions");
    }
    if wire.background == Some(true) {
        losses.refuse("background", "an answer in the background is OpenAI's own; leave it out");
    }
    if wire.truncation.as_ref().is_some_and(|word| word.0 != "disabled") {
        losses.drop("truncation");
    }
    losses.drop_some(&wire.context_management, "context_management");
    losses.drop_some(&wire.moderation, "moderation");
    losses.drop_some(&wire.prompt_cache_retention, "prompt_cache_retention");
    losses.drop_some(&wire.prompt_cache_options, "prompt_cache_options");
    losses.drop_some(&wire.client_metadata, "client_metadata");
    losses.drop_some(&wire.max_tool_calls, "max_tool_calls");
    if let Some(reasoning) = &wire.reasoning {
        // The older word for `summary`, which only one retired model knew.
        losses.drop_some(&reasoning.generate_summary, "generate_summary");
    }
    // Encrypted reasoning is always asked for, log probabilities have a word of their own.
    let said = ["reasoning.encrypted_content", "message.output_text.logprobs"];
    if wire.include.iter().flatten().any(|name| !said.contains(&name.0.as_ref())) {
        losses.drop("include");
    }
    losses
}

fn read_input<'a>(
    wire: &mut wire::request::Request<'a>,
    talk: &mut Talk<'a>,
    raws: &mut Raws<'a>,
) -> Result<(), Error> {
    let elsewhere =
        wire.prompt.is_some() || wire.previous_response_id.is_some() || wire.conversation.is_some();
    match wire.input.take() {
        Some(TextOr::Text(text)) if !text.is_empty() => talk.say(Role::User, Part::Text(text)),
        Some(TextOr::List(items)) if !items.is_empty() => {
            for (index, item) in items.into_iter().enumerate() {
                talk.item(item, index, raws)?;
            }
        }
        _ if elsewhere => {}
        _ => return Err(Error::invalid("input", "input is required and must not be empty")),
    }
    Ok(())
}

/// A function that a tool search found is called with its own name as the namespace, though it was declared without one.
fn settle_namespaces(turns: &mut [crate::ir::request::Turn<'_>], tools: &[Tool<'_>]) {
    for part in turns.iter_mut().flat_map(|turn| &mut turn.parts) {
        let Part::ToolCall(call) = part else { continue };
        let Some(namespace) = call.namespace.as_deref() else { continue };
        if namespace == BUILT_IN {
            continue;
        }
        let declared = |in_namespace: Option<&str>| {
            tools.iter().any(|tool| tools::names(tool) == Some((in_namespace, &call.name)))
        };
        if !declared(Some(namespace)) && declared(None) {
            call.namespace = None;
        }
    }
}

fn text(string: Option<Str<'_>>) -> Option<Cow<'_, str>> {
    string.map(|string| string.0)
}

fn sampling(wire: &wire::request::Request<'_>) -> Sampling {
    Sampling {
        temperature: wire.temperature,
        top_p: wire.top_p,
        top_k: wire.top_k,
        seed: wire.seed,
        presence_penalty: wire.presence_penalty,
        frequency_penalty: wire.frequency_penalty,
    }
}

fn stop<'a>(stop: Option<TextOr<'a, Str<'a>>>) -> Vec<Cow<'a, str>> {
    match stop {
        None => Vec::new(),
        Some(TextOr::Text(text)) => vec![text],
        Some(TextOr::List(texts)) => texts.into_iter().map(|text| text.0).collect(),
    }
}

fn logprobs(wire: &wire::request::Request<'_>) -> Option<u32> {
    let asked = wire.include.iter().flatten().any(|name| name.0 == "message.output_text.logprobs");
    wire.top_logprobs.filter(|count| *count > 0).or_else(|| asked.then_some(0))
}

fn reasoning(reasoning: Option<wire::request::Reasoning<'_>>) -> Result<Reasoning, Error> {
    let Some(wire) = reasoning else { return Ok(Reasoning::default()) };
    let show = wire.summary.map(|word| word.0 != "none");
    let Some(effort) = wire.effort else {
        // A model that is to show its thoughts and is told no effort thinks as much as it sees fit.
        let amount = if show == Some(true) { Amount::Adaptive(None) } else { Amount::Unset };
        return Ok(Reasoning { amount, show });
    };
    let amount = match effort.0.as_ref() {
        "none" => Amount::Off,
        "minimal" => Amount::Effort(Effort::Minimal),
        "low" => Amount::Effort(Effort::Low),
        "medium" => Amount::Effort(Effort::Medium),
        "high" => Amount::Effort(Effort::High),
        "xhigh" => Amount::Effort(Effort::ExtraHigh),
        "max" => Amount::Effort(Effort::Max),
        other => {
            return Err(Error::invalid(
                "reasoning.effort",
                format!("unknown effort {other:?}: none, minimal, low, medium, high, xhigh or max"),
            ));
        }
    };
    Ok(Reasoning { amount, show })
}

fn verbosity(text: Option<&wire::request::Text<'_>>) -> Result<Option<Verbosity>, Error> {
    let Some(word) = text.and_then(|text| text.verbosity.as_ref()) else { return Ok(None) };
    match word.0.as_ref() {
        "low" => Ok(Some(Verbosity::Low)),
        "medium" => Ok(Some(Verbosity::Medium)),
        "high" => Ok(Some(Verbosity::High)),
        other => Err(Error::invalid(
            "text.verbosity",
            format!("unknown verbosity {other:?}: low, medium or high"),
        )),
    }
}

fn format<'a>(
    text: Option<wire::request::Text<'a>>,
    losses: &mut Losses,
) -> Result<Format<'a>, Error> {
    let Some(raw) = text.and_then(|text| text.format) else { return Ok(Format::Text) };
    let wire: wire::request::Format<'a> =
        serde_json::from_str(raw.get()).map_err(|error| locate::at("text.format", &error))?;
    match wire.kind.as_ref() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::JsonObject),
        "json_schema" => {
            let Some(schema) = wire.schema else {
                return Err(Error::invalid("text.format.schema", "a json_schema needs its schema"));
            };
            Ok(Format::JsonSchema {
                name: wire.name,
                description: wire.description,
                schema: Cow::Borrowed(schema),
                strict: wire.strict,
            })
        }
        other => {
            losses.refuse("text.format", format!("the form {other:?} is OpenAI's own"));
            Ok(Format::Text)
        }
    }
}
