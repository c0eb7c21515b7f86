//! OpenAI's embeddings. <https://platform.openai.com/docs/api-reference/embeddings>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Answer, Asked, Form, Request, Vector, no_answer, read, read_body, read_dimensions};
use crate::dialects::{self, Dialect, Target};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::json;

/// A client's request.
#[derive(Deserialize)]
struct Given<'a> {
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    dimensions: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding_format: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
}

/// A request for an account. Numbers are what it answers with unless told otherwise.
#[derive(Serialize)]
struct Sent<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

/// An account's answer.
#[derive(Deserialize)]
struct Heard<'a> {
    #[serde(borrow)]
    data: Option<Vec<HeardEmbedding<'a>>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct HeardEmbedding<'a> {
    #[serde(borrow)]
    embedding: &'a RawValue,
    #[serde(default)]
    index: usize,
}

/// An answer for a client.
#[derive(Serialize)]
struct Told<'a> {
    object: &'static str,
    data: Vec<ToldEmbedding<'a>>,
    model: &'a str,
    usage: ToldUsage,
}

#[derive(Serialize)]
struct ToldEmbedding<'a> {
    object: &'static str,
    index: usize,
    embedding: Written<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Numbers(Vector<'a>),
    Base64(String),
}

/// A client's SDK expects both numbers; they are 0 where the provider does not say.
#[derive(Serialize)]
struct ToldUsage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Reads a client's request. The error names the field at fault.
pub(super) fn parse_request(body: &[u8]) -> Result<(Request, Form), Error> {
    let given: Given<'_> = read_body(body)?;
    let missing = || Error::invalid("input", "input is missing: send a text or a list of texts");
    let texts = parse_input(given.input.ok_or_else(missing)?)?;
    let form = match given.encoding_format.map(|raw| read::<String>(raw, "encoding_format")) {
        None => Form::Numbers,
        Some(format) => match &*format? {
            "float" => Form::Numbers,
            "base64" => Form::Base64,
            _ => {
                let message = "encoding_format must be float or base64";
                return Err(Error::invalid("encoding_format", message));
            }
        },
    };
    let dimensions = read_dimensions(given.dimensions, "dimensions")?;
    let mut unsaid = Losses::default();
    unsaid.drop_some(&given.user, "user");
    Ok((Request { texts, dimensions, unsaid }, form))
}

/// One text or several. Tokens are numbers of one model's own vocabulary.
fn parse_input(input: &RawValue) -> Result<Vec<String>, Error> {
    let text = input.get();
    if !text.starts_with('[') {
        return Ok(vec![read(input, "input")?]);
    }
    let rest = text.trim_start_matches(|c: char| c == '[' || c.is_ascii_whitespace());
    if rest.starts_with(|c: char| c.is_ascii_digit()) {
        let message = "input: tokens mean nothing to another provider's model; send text, or use an account that speaks an OpenAI dialect";
        return Err(Error::invalid("input", message));
    }
    let texts: Vec<String> = read(input, "input")?;
    if texts.is_empty() {
        return Err(Error::invalid("input", "input must hold at least one text"));
    }
    Ok(texts)
}

/// Writes a request for an account, appending to `out`.
pub(super) fn render_request(request: &Request, target: Target<'_>, out: &mut Vec<u8>) {
    let Request { texts, dimensions, .. } = request;
    let sent = Sent { model: target.model, input: texts, dimensions: *dimensions };
    // Writing to memory cannot fail, and every key is a string.
    let _ = json::write::value(&sent, out);
}

/// Reads an account's answer. An error where it is none, or says that it failed.
pub(super) fn parse_answer(body: &[u8]) -> Result<Answer<'_>, Error> {
    let heard: Heard<'_> =
        serde_json::from_slice(body).map_err(|error| no_answer(&error.to_string()))?;
    let mut data = match (heard.data, heard.error) {
        (Some(data), _) => data,
        (None, Some(_)) => return Err(dialects::parse_error(Dialect::OpenAiChat, 500, body)),
        (None, None) => return Err(no_answer("it has no data")),
    };
    data.sort_by_key(|embedding| embedding.index);
    let vectors = data.iter().map(|one| Vector::new(one.embedding)).collect::<Result<_, _>>()?;
    let said =
        |usage: &RawValue| dialects::parse_usage(Dialect::OpenAiChat, usage.get().as_bytes());
    Ok(Answer { vectors, usage: heard.usage.and_then(said), unsaid: Losses::default() })
}

/// Writes an answer for a client, appending to `out`.
pub(super) fn render_answer(answer: &Answer<'_>, asked: &Asked, out: &mut Vec<u8>) {
    let written = answer.vectors.iter().map(|vector| match asked.form {
        Form::Base64 => Written::Base64(base64(*vector)),
        Form::Numbers | Form::Single | Form::Batch => Written::Numbers(*vector),
    });
    let told = written.enumerate().map(|(index, embedding)| ToldEmbedding {
        object: "embedding",
        index,
        embedding,
    });
    let tokens = answer.usage.map_or(0, |usage| usage.input);
    let told = Told {
        object: "list",
        data: told.collect(),
        model: &asked.model,
        usage: ToldUsage { prompt_tokens: tokens, total_tokens: tokens },
    };
    // Writing to memory cannot fail, and every key is a string.
    let _ = json::write::value(&told, out);
}

fn base64(vector: Vector<'_>) -> String {
    let bytes: Vec<u8> = vector.numbers().into_iter().flat_map(f32::to_le_bytes).collect();
    STANDARD.encode(bytes)
}
