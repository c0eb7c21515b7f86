//! A client's request → the neutral form: the settings; the conversation is read in `messages`.

mod media;
mod messages;
mod tools;

mod fault;

use std::borrow::Cow;

use serde_json::de::StrRead;

use crate::dialects::openai_chat::response::{CUSTOM, FUNCTION_CALL};
use crate::dialects::openai_chat::wire::{OrText, Str, request as wire};
use crate::dialects::unread;
use crate::ir::Text;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::losses::Losses;
use crate::ir::request::{
    Amount, Effort, Format, Reasoning, ReplyForm, Request, Sampling, Verbosity,
};

/// Fields that say nothing another provider could miss: a call is what its other members say, and stands where it stands;
/// a translated stream is padded in no case.
const NEEDLESS: [&str; 3] =
    ["messages.tool_calls.type", "messages.tool_calls.index", "stream_options.include_obfuscation"];

/// Reads a request's body.
pub(super) fn request(body: &[u8]) -> Result<Request<'_>, Error> {
    let body = std::str::from_utf8(body).map_err(|error| {
        let why = format!("the request body is not UTF-8: {error}");
        Error::new(ErrorKind::InvalidRequest, why)
    })?;
    let mut unread = Losses::default();
    let wire: wire::Request<'_> = unread::read(StrRead::new(body), &NEEDLESS, &mut unread)
        .map_err(|error| fault::of(body, &error))?;
    let mut unsaid = unsaid(&wire);
    unsaid.extend(&unread);
    let reasoning = reasoning(&wire)?;
    let reply = reply(&wire);
    let (tools, tool_choice) = tools::parse(&wire, &mut unsaid)?;
    let model = given(wire.model)
        .ok_or_else(|| Error::invalid("model", "model: name the model that is to answer"))?;
    let Some(messages) = wire.messages.filter(|messages| !messages.is_empty()) else {
        return Err(Error::invalid("messages", "messages: at least one message is needed"));
    };
    Ok(Request {
        model,
        stream: wire.stream.unwrap_or(false),
        turns: messages::turns(messages, &mut unsaid)?,
        tools,
        tool_choice,
        parallel_tool_calls: wire.parallel_tool_calls,
        max_output: wire.max_completion_tokens.or(wire.max_tokens),
        sampling: Sampling {
            temperature: wire.temperature,
            top_p: wire.top_p,
            // vLLM's −1 means all tokens, which is the default.
            top_k: wire.top_k.and_then(|k| u64::try_from(k).ok()).filter(|k| *k > 0),
            seed: wire.seed,
            presence_penalty: wire.presence_penalty,
            frequency_penalty: wire.frequency_penalty,
        },
        stop: stop(wire.stop),
        reasoning,
        format: wire.response_format.map_or(Ok(Format::Text), |it| format(it, &mut unsaid))?,
        verbosity: wire.verbosity.map(|Str(word)| verbosity(&word)).transpose()?,
        candidates: wire.n,
        logprobs: wire.logprobs.filter(|on| *on).map(|_| wire.top_logprobs.unwrap_or(0)),
        service_tier: given(wire.service_tier),
        user: given(wire.safety_identifier).or_else(|| given(wire.user)),
        cache_key: given(wire.prompt_cache_key),
        metadata: wire.metadata.map(|raw| raw.0),
        reply,
        unsaid,
    })
}

/// A text that says something.
fn given(text: Option<Str<'_>>) -> Option<Text<'_>> {
    text.map(|Str(text)| text).filter(|text| !text.is_empty())
}

/// What the neutral form has no words for.
fn unsaid(wire: &wire::Request<'_>) -> Losses {
    let mut unsaid = Losses::default();
    if wire.store == Some(true) {
        unsaid.drop("store");
    }
    for (field, name) in [
        (&wire.logit_bias, "logit_bias"),
        (&wire.prediction, "prediction"),
        (&wire.moderation, "moderation"),
        (&wire.prompt_cache_options, "prompt_cache_options"),
        (&wire.prompt_cache_retention, "prompt_cache_retention"),
        (&wire.min_p, "min_p"),
        (&wire.top_a, "top_a"),
        (&wire.repetition_penalty, "repetition_penalty"),
        (&wire.safe_prompt, "safe_prompt"),
        (&wire.provider, "provider"),
        (&wire.models, "models"),
        (&wire.transforms, "transforms"),
    ] {
        unsaid.drop_some(field, name);
    }
    for (field, name) in
        [(&wire.plugins, "plugins"), (&wire.search_parameters, "search_parameters")]
    {
        if field.is_some() {
            unsaid.refuse(name, "this provider's own search and plugins have no form elsewhere");
        }
    }
    for Str(modality) in wire.modalities.iter().flatten() {
        if modality != "text" {
            unsaid.refuse("modalities", format!("answers in {modality} cannot be translated"));
        }
    }
    if wire
        .extra_body
        .as_ref()
        .and_then(|body| body.google.as_ref())
        .is_some_and(|google| google.cached_content.is_some())
    {
        unsaid.refuse("extra_body.google.cached_content", "a cache belongs to one provider");
    }
    unsaid
}

/// What the answer's renderer must know.
fn reply(wire: &wire::Request<'_>) -> ReplyForm<'static> {
    let options = wire.stream_options.as_ref();
    // The neutral form has no words for these; they decide how a call is written.
    let echo = if wire.tools.iter().flatten().any(|tool| tool.custom.is_some()) {
        Some(CUSTOM)
    } else if wire.functions.is_some() && wire.tools.is_none() {
        Some(FUNCTION_CALL)
    } else {
        None
    };
    ReplyForm {
        include_usage: options.and_then(|options| options.include_usage).unwrap_or(false),
        echo: echo.map(Cow::Borrowed),
        ..ReplyForm::default()
    }
}

fn stop(stop: Option<wire::Stop<'_>>) -> Vec<Text<'_>> {
    let sequences = match stop {
        None => Vec::new(),
        Some(OrText::Text(one)) => vec![Str(one)],
        Some(OrText::Other(some)) => some,
    };
    sequences.into_iter().map(|Str(text)| text).filter(|text| !text.is_empty()).collect()
}

fn verbosity(word: &str) -> Result<Verbosity, Error> {
    match word {
        "low" => Ok(Verbosity::Low),
        "medium" => Ok(Verbosity::Medium),
        "high" => Ok(Verbosity::High),
        other => Err(Error::invalid(
            "verbosity",
            format!("verbosity: {other:?} is none of low, medium, high"),
        )),
    }
}

fn format<'a>(format: wire::ResponseFormat<'a>, unsaid: &mut Losses) -> Result<Format<'a>, Error> {
    let kind = given(format.kind).unwrap_or_default();
    match kind.as_ref() {
        "text" | "" => Ok(Format::Text),
        "json_object" => Ok(match format.schema {
            None => Format::JsonObject,
            Some(schema) => {
                Format::JsonSchema { name: None, description: None, schema: schema.0, strict: None }
            }
        }),
        "json_schema" => {
            let (name, description, schema, strict) = match format.json_schema {
                Some(it) => (it.name, it.description, it.schema.or(format.schema), it.strict),
                None => (None, None, format.schema, None),
            };
            let schema = schema.ok_or_else(|| {
                let field = "response_format.json_schema.schema";
                Error::invalid(field, format!("{field}: a schema is needed"))
            })?;
            Ok(Format::JsonSchema {
                name: given(name),
                description: given(description),
                schema: schema.0,
                strict,
            })
        }
        other => {
            unsaid.refuse("response_format", format!("{other} has no form elsewhere"));
            Ok(Format::Text)
        }
    }
}

/// How much to think: OpenAI's field first, then the others' by their own.
fn reasoning(wire: &wire::Request<'_>) -> Result<Reasoning, Error> {
    let mut reasoning = Reasoning::default();
    let google = wire.extra_body.as_ref().and_then(|body| body.google.as_ref());
    let google = google.and_then(|google| google.thinking_config.as_ref());
    reasoning.show = wire
        .include_reasoning
        .or_else(|| wire.reasoning.as_ref()?.exclude.map(|exclude| !exclude))
        .or_else(|| google?.include_thoughts);
    let thinking = wire.thinking.as_ref();
    let switch =
        thinking.and_then(|thinking| thinking.kind.as_ref()).map(|Str(kind)| kind.as_ref());
    if switch == Some("disabled") || wire.enable_thinking == Some(false) {
        reasoning.amount = Amount::Off;
        return Ok(reasoning);
    }
    let router = wire.reasoning.as_ref();
    let effort = [
        (wire.reasoning_effort.as_ref(), "reasoning_effort"),
        (router.and_then(|it| it.effort.as_ref()), "reasoning.effort"),
        (google.and_then(|it| it.thinking_level.as_ref()), "extra_body.google.thinking_config"),
    ];
    let effort = effort.into_iter().find_map(|(word, field)| Some((word?, field)));
    let budget = router
        .and_then(|it| it.max_tokens)
        .or_else(|| thinking?.budget_tokens)
        .or(wire.thinking_budget)
        .or_else(|| google?.thinking_budget.and_then(|budget| u64::try_from(budget).ok()));
    reasoning.amount = match (effort, budget) {
        (Some((Str(word), field)), _) => amount(word, field)?,
        (None, Some(0)) => Amount::Off,
        (None, Some(budget)) => Amount::Budget(budget),
        (None, None) => {
            let on = router.and_then(|it| it.enabled).or(wire.enable_thinking);
            match (on, switch, google.and_then(|it| it.thinking_budget)) {
                (Some(false), ..) => Amount::Off,
                (Some(true), ..) | (_, Some("enabled" | "adaptive"), _) | (_, _, Some(_)) => {
                    Amount::Adaptive(None)
                }
                _ => Amount::Unset,
            }
        }
    };
    Ok(reasoning)
}

fn amount(word: &str, field: &str) -> Result<Amount, Error> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "none" => Amount::Off,
        "minimal" => Amount::Effort(Effort::Minimal),
        "low" => Amount::Effort(Effort::Low),
        "medium" => Amount::Effort(Effort::Medium),
        "high" => Amount::Effort(Effort::High),
        "xhigh" => Amount::Effort(Effort::ExtraHigh),
        "max" => Amount::Effort(Effort::Max),
        other => {
            return Err(Error::invalid(
                field,
                format!(
                    "{field}: {other:?} is none of none, minimal, low, medium, high, xhigh, max"
                ),
            ));
        }
    })
}
