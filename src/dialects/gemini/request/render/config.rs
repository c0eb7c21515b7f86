//! `generationConfig` and the settings that have no field in it.

use std::borrow::Cow;

use super::Page;
use crate::dialects::gemini::request::schema;
use crate::dialects::gemini::wire::request::GenerationConfig;
use crate::dialects::gemini::wire::{Int, Raw, Str};
use crate::ir::request::{Format, Request};

/// Stop sequences at most. <https://ai.google.dev/api/generate-content#generationconfig>
const MOST_STOPS: usize = 5;

/// The settings, where there are any.
pub(super) fn write<'r>(
    page: &mut Page<'_>,
    request: &'r Request<'_>,
) -> Option<GenerationConfig<'r>> {
    note_losses(page, request);
    let sampling = &request.sampling;
    let mut config = GenerationConfig {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k.map(int),
        seed: sampling.seed.filter(|seed| i32::try_from(*seed).is_ok()).map(Int),
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        max_output_tokens: request.max_output.map(int),
        candidate_count: request.candidates.map(|count| int(count.into())),
        response_logprobs: request.logprobs.map(|_| true),
        logprobs: request.logprobs.filter(|count| *count > 0).map(|n| int(n.into())),
        ..GenerationConfig::default()
    };
    if !request.stop.is_empty() {
        let stops = request.stop.iter().take(MOST_STOPS);
        config.stop_sequences = Some(stops.map(|text| Str(Cow::Borrowed(text))).collect());
    }
    let (thinking, exact) = page.model.thinking_config(request.reasoning, request.max_output);
    config.thinking_config = thinking;
    if !exact {
        page.losses.drop("reasoning");
    }
    write_format(page, &request.format, &mut config);
    is_said(&config).then_some(config)
}

/// The form of the answer alone, where one is asked for.
pub(super) fn form<'r>(
    page: &mut Page<'_>,
    request: &'r Request<'_>,
) -> Option<GenerationConfig<'r>> {
    let mut config = GenerationConfig::default();
    write_format(page, &request.format, &mut config);
    is_said(&config).then_some(config)
}

/// Google's flex and priority tiers are OpenAI's words for the same; Vertex AI sells them otherwise.
pub(super) fn service_tier<'r>(page: &mut Page<'_>, request: &'r Request<'_>) -> Option<Str<'r>> {
    let tier = request.service_tier.as_deref()?;
    match tier {
        "flex" | "priority" if !page.target.quirks.schema_subset => Some(tier.into()),
        "auto" | "default" | "standard" | "standard_only" => None,
        _ => {
            page.losses.drop("service_tier");
            None
        }
    }
}

/// 32 bits are what the field holds.
fn int(number: u64) -> Int {
    Int(i64::from(i32::try_from(number).unwrap_or(i32::MAX)))
}

fn note_losses(page: &mut Page<'_>, request: &Request<'_>) {
    let losses = &mut page.losses;
    if request.sampling.seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        losses.drop("seed");
    }
    if request.stop.len() > MOST_STOPS {
        losses.drop("stop");
    }
    if request.parallel_tool_calls == Some(false) {
        losses.drop("parallel_tool_calls");
    }
    losses.drop_some(&request.verbosity, "verbosity");
    losses.drop_some(&request.user, "user");
    losses.drop_some(&request.metadata, "metadata");
    losses.drop_some(&request.cache_key, "prompt_cache_key");
}

fn write_format<'r>(
    page: &mut Page<'_>,
    format: &'r Format<'_>,
    config: &mut GenerationConfig<'r>,
) {
    if let Format::JsonSchema { description, .. } = format {
        page.losses.drop_some(description, "response_format.description");
    }
    match format {
        Format::Text => return,
        Format::JsonObject => {}
        Format::JsonSchema { schema, .. } if page.target.quirks.schema_subset => {
            let (subset, lost) = schema::to_gemini(schema);
            config.response_schema = Some(Raw(Cow::Owned(subset)));
            if lost {
                page.losses.drop("response_format.schema");
            }
        }
        Format::JsonSchema { schema, .. } => {
            config.response_json_schema = Some(Raw(Cow::Borrowed(schema)));
        }
    }
    config.response_mime_type = Some("application/json".into());
}

fn is_said(config: &GenerationConfig<'_>) -> bool {
    let numbers =
        [config.temperature, config.top_p, config.presence_penalty, config.frequency_penalty];
    let counts = [config.top_k, config.seed, config.max_output_tokens, config.candidate_count];
    numbers.iter().any(Option::is_some)
        || counts.iter().any(Option::is_some)
        || config.response_logprobs.is_some()
        || config.stop_sequences.is_some()
        || config.response_mime_type.is_some()
        || config.thinking_config.is_some()
}
