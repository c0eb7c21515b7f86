//! The demo's embeddings: vectors that depend on the text alone and mean nothing.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::gemini::field;
use super::turn::{Refusal, count, given, list, model, texts, tokens};

const USUAL_DIMENSIONS: usize = 8;
const MOST_DIMENSIONS: usize = 4096;

/// <https://platform.openai.com/docs/api-reference/embeddings>
pub(super) fn openai(body: &Value) -> Result<Value, Refusal> {
    let model = model(body)?;
    let input = given(&body["input"]).ok_or_else(|| Refusal::missing("input"))?;
    // One text, one list of tokens, or a list of either. Tokens are taken as they are written.
    let inputs: Vec<_> = match list(input) {
        [] | [Value::Number(_), ..] => vec![plain(input)],
        inputs => inputs.iter().map(plain).collect(),
    };
    let dimensions = dimensions(&body["dimensions"])?;
    let mut data = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let vector = vector(input, dimensions);
        let embedding = if body["encoding_format"] == "base64" {
            let bytes: Vec<_> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        } else {
            json!(vector)
        };
        data.push(json!({ "object": "embedding", "index": index, "embedding": embedding }));
    }
    let tokens: usize = inputs.iter().map(|input| tokens(input.chars().count())).sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    Ok(json!({ "object": "list", "model": model, "data": data, "usage": usage }))
}

/// <https://ai.google.dev/api/embeddings#method:-models.embedcontent>
pub(super) fn gemini(body: &Value) -> Result<Value, Refusal> {
    let (embedding, tokens) = embed(body)?;
    Ok(json!({ "embedding": embedding, "usageMetadata": { "promptTokenCount": tokens } }))
}

/// <https://ai.google.dev/api/embeddings#method:-models.batchembedcontents>
pub(super) fn gemini_batch(body: &Value) -> Result<Value, Refusal> {
    let requests = match list(&body["requests"]) {
        [] => return Err(Refusal::missing("requests")),
        requests => requests,
    };
    let made: Vec<_> = requests.iter().map(embed).collect::<Result<_, _>>()?;
    let tokens: usize = made.iter().map(|(_, tokens)| tokens).sum();
    let embeddings: Vec<_> = made.into_iter().map(|(embedding, _)| embedding).collect();
    Ok(json!({ "embeddings": embeddings, "usageMetadata": { "promptTokenCount": tokens } }))
}

fn embed(request: &Value) -> Result<(Value, usize), Refusal> {
    let content = given(&request["content"]).ok_or_else(|| Refusal::missing("content"))?;
    let text = texts(&content["parts"]).concat();
    let config = field(request, "embedContentConfig");
    let asked = given(field(request, "outputDimensionality"))
        .unwrap_or_else(|| field(config, "outputDimensionality"));
    let vector = vector(&text, dimensions(asked)?);
    Ok((json!({ "values": vector }), tokens(text.chars().count())))
}

fn plain(input: &Value) -> String {
    input.as_str().map_or_else(|| input.to_string(), str::to_owned)
}

fn dimensions(asked: &Value) -> Result<usize, Refusal> {
    match count(asked) {
        None => Ok(USUAL_DIMENSIONS),
        Some(asked @ 1..=MOST_DIMENSIONS) => Ok(asked),
        Some(_) => {
            let message = format!("dimensions must be from 1 to {MOST_DIMENSIONS}");
            Err(Refusal { param: Some("dimensions"), ..Refusal::invalid(message) })
        }
    }
}

/// A vector of length one.
fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let raw: Vec<_> = (0..dimensions).map(|place| coordinate(text, place)).collect();
    let length = raw.iter().map(|number| number * number).sum::<f32>().sqrt();
    raw.into_iter().map(|number| number / length).collect()
}

/// From -1 to 1, and never 0, so that a vector has a length.
fn coordinate(text: &str, place: usize) -> f32 {
    let digest = Sha256::digest(format!("{place} {text}"));
    let number = digest.iter().take(2).fold(0, |number, byte| number << 8 | u16::from(*byte));
    (f32::from(number) - 32767.5) / 32767.5
}
