//! `generationConfig`: sampling, limits, the answer's form, thinking.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::gemini::request::schema;
use crate::dialects::gemini::wire::request::{GenerationConfig, ThinkingConfig};
use crate::dialects::gemini::wire::{Int, Raw, Word};
use crate::ir::Json;
use crate::ir::error::Error;
use crate::ir::request::{Amount, Effort, Format, Reasoning, Request, Sampling};

/// Takes the settings into the request.
pub(super) fn take<'a>(
    request: &mut Request<'a>,
    mut config: GenerationConfig<'a>,
) -> Result<(), Error> {
    request.sampling = Sampling {
        temperature: config.temperature,
        top_p: config.top_p,
        top_k: count("topK", config.top_k)?,
        seed: config.seed.map(|seed| seed.0),
        presence_penalty: config.presence_penalty,
        frequency_penalty: config.frequency_penalty,
    };
    request.max_output = count("maxOutputTokens", config.max_output_tokens)?;
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    request.candidates = count("candidateCount", config.candidate_count)?.map(small);
    let stop = config.stop_sequences.take().unwrap_or_default();
    request.stop = stop.into_iter().map(|text| text.0).collect();
    if config.response_logprobs == Some(true) {
        request.logprobs = Some(count("logprobs", config.logprobs)?.map_or(0, small));
    }
    if let Some(thinking) = config.thinking_config.take() {
        request.reasoning = reasoning(&thinking)?;
    }
    note_media(request, &config);
    take_format(request, config);
    Ok(())
}

/// A number that may not be negative.
fn count(field: &str, number: Option<Int>) -> Result<Option<u64>, Error> {
    let Some(Int(number)) = number else { return Ok(None) };
    u64::try_from(number).map(Some).map_err(|_| {
        let field = format!("generationConfig.{field}");
        Error::invalid(field.clone(), format!("{field} must not be negative, it is {number}"))
    })
}

fn reasoning(config: &ThinkingConfig<'_>) -> Result<Reasoning, Error> {
    let level = config.thinking_level.as_ref().map(effort).transpose()?.flatten();
    let amount = match (level, config.thinking_budget) {
        (Some(effort), _) => Amount::Effort(effort),
        (None, None) => Amount::Unset,
        (None, Some(Int(0))) => Amount::Off,
        // -1: as much as the model sees fit.
        (None, Some(Int(budget))) => {
            u64::try_from(budget).map_or(Amount::Adaptive(None), Amount::Budget)
        }
    };
    Ok(Reasoning { amount, show: config.include_thoughts })
}

fn effort(level: &Word<'_>) -> Result<Option<Effort>, Error> {
    const LEVELS: [(&str, i64, Option<Effort>); 5] = [
        ("THINKING_LEVEL_UNSPECIFIED", 0, None),
        ("LOW", 1, Some(Effort::Low)),
        ("HIGH", 2, Some(Effort::High)),
        ("MEDIUM", 3, Some(Effort::Medium)),
        ("MINIMAL", 4, Some(Effort::Minimal)),
    ];
    let known = LEVELS.iter().find(|(name, number, _)| level.is(name, *number));
    known.map(|(_, _, effort)| *effort).ok_or_else(|| {
        let field = "generationConfig.thinkingConfig.thinkingLevel";
        Error::invalid(field, format!("{field} must be MINIMAL, LOW, MEDIUM or HIGH"))
    })
}

/// Why other media than text are refused as an answer.
const MEDIA: &str = "images and sound in the answer are made by Gemini accounts alone";

/// Settings of media, in and out.
fn note_media(request: &mut Request<'_>, config: &GenerationConfig<'_>) {
    let unsaid = &mut request.unsaid;
    unsaid.drop_some(&config.media_resolution, "mediaResolution");
    unsaid.drop_some(&config.speech_config, "speechConfig");
    unsaid.drop_some(&config.image_config, "imageConfig");
    let modalities = config.response_modalities.as_deref().unwrap_or_default();
    let is_text = |word: &Word<'_>| word.is("TEXT", 1) || word.is("MODALITY_UNSPECIFIED", 0);
    if !modalities.iter().all(is_text) {
        unsaid.refuse("generationConfig.responseModalities", MEDIA);
    }
    let format = config.response_format.as_ref();
    if format.is_some_and(|format| format.audio.is_some()) {
        unsaid.refuse("generationConfig.responseFormat.audio", MEDIA);
    }
    if format.is_some_and(|format| format.image.is_some()) {
        unsaid.refuse("generationConfig.responseFormat.image", MEDIA);
    }
    if config.translation_config.is_some() {
        let reason =
            "the language of an answer is set for Gemini accounts alone: ask for it in words";
        unsaid.refuse("generationConfig.translationConfig", reason);
    }
}

fn take_format<'a>(request: &mut Request<'a>, config: GenerationConfig<'a>) {
    let of_json = |raw: Raw<'a>| json(raw, schema::of_json_schema);
    let of_gemini = |raw: Raw<'a>| json(raw, schema::of_gemini);
    let text = config.response_format.and_then(|format| format.text).unwrap_or_default();
    let schema = (config.response_json_schema.map(of_json))
        .or_else(|| text.schema.map(of_json))
        .or_else(|| config.response_schema.map(of_gemini));
    let is_json = text.mime_type.is_some_and(|word| word.is("APPLICATION_JSON", 1));
    let mime = config.response_mime_type.map(|mime| mime.0);
    match (schema, mime.as_deref()) {
        // `text/x.enum` answers with a bare word, and other types with no JSON at all.
        (_, Some(mime)) if !matches!(mime, "application/json" | "text/plain" | "") => {
            let reason = format!("an answer of type {mime} has no counterpart in other dialects");
            request.unsaid.refuse("generationConfig.responseMimeType", reason);
        }
        (Some(schema), _) => {
            request.format =
                Format::JsonSchema { name: None, description: None, schema, strict: None };
        }
        (None, Some("application/json")) => request.format = Format::JsonObject,
        (None, _) if is_json => request.format = Format::JsonObject,
        (None, _) => {}
    }
}

/// A schema of the body, read by one of the two forms.
pub(super) fn json(raw: Raw<'_>, read: fn(&RawValue) -> Json<'_>) -> Json<'_> {
    match raw.0 {
        Cow::Borrowed(raw) => read(raw),
        Cow::Owned(raw) => Json::Owned(read(&raw).into_owned()),
    }
}
