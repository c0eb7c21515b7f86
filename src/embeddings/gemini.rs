//! Gemini's embeddings, and Vertex AI's. <https://ai.google.dev/api/embeddings>,
//! <https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.publishers.models/embedContent>

use std::ops::Range;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Answer, Form, Request, Vector, no_answer, read, read_body, read_dimensions};
use crate::dialects::{self, Dialect, Target};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::usage::Usage;
use crate::json;

/// A client's `batchEmbedContents`.
#[derive(Deserialize)]
struct GivenBatch<'a> {
    #[serde(borrow)]
    requests: Option<Vec<&'a RawValue>>,
}

/// A client's `embedContent`, or one of a batch. The path names the model.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow, alias = "task_type")]
    task_type: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow, alias = "output_dimensionality")]
    output_dimensionality: Option<&'a RawValue>,
    #[serde(borrow, alias = "auto_truncate")]
    auto_truncate: Option<&'a RawValue>,
    #[serde(borrow, alias = "embed_content_config")]
    embed_content_config: Option<&'a RawValue>,
}

/// Where newer clients say what once stood beside the content.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenConfig<'a> {
    #[serde(borrow, alias = "task_type")]
    task_type: Option<&'a RawValue>,
    #[serde(borrow)]
    title: Option<&'a RawValue>,
    #[serde(borrow, alias = "output_dimensionality")]
    output_dimensionality: Option<&'a RawValue>,
    #[serde(borrow, alias = "auto_truncate")]
    auto_truncate: Option<&'a RawValue>,
    #[serde(borrow, alias = "document_ocr")]
    document_ocr: Option<&'a RawValue>,
    #[serde(borrow, alias = "audio_track_extraction")]
    audio_track_extraction: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct GivenContent<'a> {
    #[serde(borrow)]
    parts: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GivenPart {
    text: Option<String>,
    #[serde(alias = "inline_data")]
    inline_data: Option<IgnoredAny>,
    #[serde(alias = "file_data")]
    file_data: Option<IgnoredAny>,
}

/// A `batchEmbedContents` for an account.
#[derive(Serialize)]
struct SentBatch<'a> {
    requests: Vec<Sent<'a>>,
}

/// An `embedContent` for an account, or one of a batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    content: SentContent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embed_content_config: Option<&'a SentConfig>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SentConfig {
    output_dimensionality: u32,
}

#[derive(Serialize)]
struct SentContent<'a> {
    role: &'static str,
    parts: [SentPart<'a>; 1],
}

#[derive(Serialize)]
struct SentPart<'a> {
    text: &'a str,
}

/// An account's answer to either.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heard<'a> {
    #[serde(borrow)]
    embedding: Option<HeardEmbedding<'a>>,
    #[serde(borrow)]
    embeddings: Option<Vec<HeardEmbedding<'a>>>,
    #[serde(borrow)]
    usage_metadata: Option<&'a RawValue>,
    /// Vertex AI: whether the text was too long, and its end was left out.
    truncated: Option<bool>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct HeardEmbedding<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
}

/// An answer for a client.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding: Option<ToldEmbedding<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embeddings: Option<Vec<ToldEmbedding<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage_metadata: Option<ToldUsage>,
}

#[derive(Serialize)]
struct ToldEmbedding<'a> {
    values: Vector<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToldUsage {
    prompt_token_count: u64,
}

/// Reads a client's `embedContent`. The error names the field at fault.
pub(super) fn parse_single(body: &[u8]) -> Result<Request, Error> {
    let mut unsaid = Losses::default();
    let (text, dimensions) = parse_one(&read_body(body)?, "", &mut unsaid)?;
    Ok(Request { texts: vec![text], dimensions, unsaid })
}

/// Reads a client's `batchEmbedContents`. The error names the field at fault.
pub(super) fn parse_batch(body: &[u8]) -> Result<Request, Error> {
    let batch: GivenBatch<'_> = read_body(body)?;
    let (mut texts, mut unsaid) = (Vec::new(), Losses::default());
    let mut wanted = None;
    for (index, raw) in batch.requests.unwrap_or_default().into_iter().enumerate() {
        let field = format!("requests.{index}");
        let given = read(raw, &field)?;
        let (text, dimensions) = parse_one(&given, &format!("{field}."), &mut unsaid)?;
        texts.push(text);
        if *wanted.get_or_insert(dimensions) != dimensions {
            let field = format!("{field}.outputDimensionality");
            let message = format!(
                "{field}: an OpenAI account gives all embeddings of a request the same size; ask for each size apart"
            );
            return Err(Error::invalid(field, message));
        }
    }
    if texts.is_empty() {
        return Err(Error::invalid("requests", "requests must hold at least one request"));
    }
    Ok(Request { texts, dimensions: wanted.flatten(), unsaid })
}

/// The text of one request, and how many numbers its vector shall have. `path` leads to it, with a dot at its end.
fn parse_one(
    given: &Given<'_>,
    path: &str,
    unsaid: &mut Losses,
) -> Result<(String, Option<u32>), Error> {
    let missing = || {
        let field = format!("{path}content");
        Error::invalid(field.clone(), format!("{field} is missing: send the text to embed"))
    };
    let text = parse_content(given.content.ok_or_else(missing)?, &format!("{path}content"))?;
    note(given.task_type, given.title, given.auto_truncate, unsaid);
    let mut dimensions =
        read_dimensions(given.output_dimensionality, &format!("{path}outputDimensionality"))?;
    if let Some(config) = given.embed_content_config {
        let field = format!("{path}embedContentConfig");
        let config: GivenConfig<'_> = read(config, &field)?;
        note(config.task_type, config.title, config.auto_truncate, unsaid);
        unsaid.drop_some(&config.document_ocr, "documentOcr");
        unsaid.drop_some(&config.audio_track_extraction, "audioTrackExtraction");
        let field = format!("{field}.outputDimensionality");
        dimensions = read_dimensions(config.output_dimensionality, &field)?.or(dimensions);
    }
    Ok((text, dimensions))
}

/// What OpenAI has no words for.
fn note(
    task_type: Option<&RawValue>,
    title: Option<&RawValue>,
    auto_truncate: Option<&RawValue>,
    unsaid: &mut Losses,
) {
    // The legacy SDK writes enums as numbers.
    let says_nothing = |task: &&RawValue| matches!(task.get(), "\"TASK_TYPE_UNSPECIFIED\"" | "0");
    unsaid.drop_some(&task_type.filter(|task| !says_nothing(task)), "taskType");
    unsaid.drop_some(&title, "title");
    unsaid.drop_some(&auto_truncate, "autoTruncate");
}

/// The text of a content. Its parts get one vector together.
/// <https://ai.google.dev/gemini-api/docs/embeddings#embedding-aggregation>
fn parse_content(content: &RawValue, field: &str) -> Result<String, Error> {
    let content: GivenContent<'_> = read(content, field)?;
    let field = format!("{field}.parts");
    let parts: Vec<GivenPart> = match content.parts {
        // Google takes a part without the brackets too.
        Some(raw) if raw.get().starts_with('{') => vec![read(raw, &field)?],
        Some(raw) => read(raw, &field)?,
        None => Vec::new(),
    };
    if parts.is_empty() {
        return Err(Error::invalid(&*field, format!("{field} must hold the text to embed")));
    }
    let texts = parts.into_iter().enumerate().map(|(index, part)| {
        let kind = match part {
            GivenPart { text: Some(text), inline_data: None, file_data: None } => return Ok(text),
            GivenPart { inline_data: Some(_), .. } => ".inlineData",
            GivenPart { file_data: Some(_), .. } => ".fileData",
            GivenPart { .. } => "",
        };
        let field = format!("{field}.{index}{kind}");
        let message = format!("{field}: an OpenAI account embeds text alone");
        Err(Error::invalid(field, message))
    });
    // Parts are paragraphs more often than pieces of a word.
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

/// Writes a request for an account, appending to `out`: `embedContent` for one text, else `batchEmbedContents`.
pub(super) fn render_request(request: &Request, target: Target<'_>, out: &mut Vec<u8>) {
    let model = format!("models/{}", target.model);
    let in_config = target.quirks.embed_config;
    let (plain, config) = match request.dimensions {
        Some(output_dimensionality) if in_config => {
            (None, Some(SentConfig { output_dimensionality }))
        }
        dimensions => (dimensions, None),
    };
    let config = config.as_ref();
    let mut requests = request.texts.iter().map(|text| Sent {
        model: (!in_config).then_some(&*model),
        content: SentContent { role: "user", parts: [SentPart { text }] },
        output_dimensionality: plain,
        embed_content_config: config,
    });
    // Writing to memory cannot fail, and every key is a string.
    let _ = if request.texts.len() == 1 {
        json::write::value(&requests.next(), out)
    } else {
        json::write::value(&SentBatch { requests: requests.collect() }, out)
    };
}

/// Reads an account's answer. An error where it is none, or says that it failed.
pub(super) fn parse_answer(body: &[u8]) -> Result<Answer<'_>, Error> {
    let heard: Heard<'_> =
        serde_json::from_slice(body).map_err(|error| no_answer(&error.to_string()))?;
    let made = match (heard.embeddings, heard.embedding, heard.error) {
        (Some(embeddings), _, _) => embeddings,
        (None, Some(embedding), _) => vec![embedding],
        (None, None, Some(_)) => return Err(dialects::parse_error(Dialect::Gemini, 500, body)),
        (None, None, None) => return Err(no_answer("it has none")),
    };
    let vectors = made.iter().map(|one| Vector::new(one.values)).collect::<Result<_, _>>()?;
    let said = |usage: &RawValue| dialects::parse_usage(Dialect::Gemini, usage.get().as_bytes());
    let mut unsaid = Losses::default();
    unsaid.drop_some(&heard.truncated.filter(|truncated| *truncated), "truncated");
    Ok(Answer { vectors, usage: heard.usage_metadata.and_then(said), unsaid })
}

/// Writes an answer for a client, appending to `out`.
pub(super) fn render_answer(answer: &Answer<'_>, form: Form, out: &mut Vec<u8>) {
    let mut vectors = answer.vectors.iter().map(|vector| ToldEmbedding { values: *vector });
    let (embedding, embeddings) = match form {
        Form::Single => (vectors.next(), None),
        Form::Batch | Form::Numbers | Form::Base64 => (None, Some(vectors.collect())),
    };
    let counted = |usage: Usage| ToldUsage { prompt_token_count: usage.input };
    let told = Told { embedding, embeddings, usage_metadata: answer.usage.map(counted) };
    // Writing to memory cannot fail, and every key is a string.
    let _ = json::write::value(&told, out);
}

/// A batch whose requests name this model; `None` where they name none.
pub(super) fn with_model(batch: &[u8], model: &str) -> Option<Vec<u8>> {
    let mut places = Vec::new();
    json::members(batch, |key, list| {
        let requests = batch.get(list.clone()).filter(|_| key == b"requests").unwrap_or_default();
        let _ = json::elements(requests, |one| places.extend(model_at(requests, one, list.start)));
    })
    .ok()?;
    let name = serde_json::to_vec(&format!("models/{model}")).ok()?;
    let (mut out, mut from) = (Vec::with_capacity(batch.len() + name.len()), 0);
    for at in &places {
        out.extend_from_slice(batch.get(from..at.start)?);
        out.extend_from_slice(&name);
        from = at.end;
    }
    out.extend_from_slice(batch.get(from..)?);
    (!places.is_empty()).then_some(out)
}

/// Where one of a batch's requests names its model. `start` is where the list of them stands.
fn model_at(requests: &[u8], one: Range<usize>, start: usize) -> Option<Range<usize>> {
    let (mut found, start) = (None, start + one.start);
    json::members(requests.get(one)?, |key, value| {
        if key == b"model" {
            found = Some(start + value.start..start + value.end);
        }
    })
    .ok()?;
    found
}
