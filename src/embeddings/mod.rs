//! Vectors of texts: which dialects have them, and how a request is said to an account whose API for them is another.

mod gemini;
mod openai;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::dialects::{Dialect, Target};
use crate::ir::error::{Error, ErrorKind};
use crate::ir::losses::Losses;
use crate::ir::usage::Usage;
use crate::json;
use crate::route::Operation;

/// An API for embeddings. Anthropic has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `POST /v1/embeddings`, the same for both of OpenAI's dialects.
    /// <https://platform.openai.com/docs/api-reference/embeddings>
    OpenAi,
    /// `POST /v1beta/models/{model}:embedContent` and `:batchEmbedContents`. <https://ai.google.dev/api/embeddings>
    Gemini,
}

impl Api {
    /// The one that belongs to a dialect.
    pub const fn of(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => Some(Self::OpenAi),
            Dialect::Anthropic => None,
            Dialect::Gemini => Some(Self::Gemini),
        }
    }
}

/// Who speaks what, and what the answer has to know of the request.
#[derive(Debug)]
pub struct Translation {
    account: Api,
    asked: Asked,
    texts: usize,
}

/// The client's side of an answer.
#[derive(Debug)]
struct Asked {
    /// The model's name as the client said it.
    model: String,
    form: Form,
}

/// How a client wants its vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// OpenAI: lists of numbers.
    Numbers,
    /// OpenAI: base64 of 32-bit floats, the lowest byte first.
    Base64,
    /// Gemini: the one of `embedContent`.
    Single,
    /// Gemini: those of `batchEmbedContents`.
    Batch,
}

/// Texts to be embedded, in nobody's words.
#[derive(Debug)]
struct Request {
    /// One for each vector; at least one.
    texts: Vec<String>,
    /// How many numbers a vector shall have.
    dimensions: Option<u32>,
    /// What the other API has no words for.
    unsaid: Losses,
}

/// An account's answer, in nobody's words.
#[derive(Debug)]
struct Answer<'a> {
    /// One for each text, in the order of the texts.
    vectors: Vec<Vector<'a>>,
    usage: Option<Usage>,
    /// What the other API has no words for.
    unsaid: Losses,
}

impl Translation {
    /// Says a client's request to an account: the translation for its answer, the body to send, and what was left out.
    /// `asked` is the model as the client named it. The error is a request that the client got wrong, or one that the
    /// account's API has no words for.
    pub fn request(
        (client, operation): (Dialect, &Operation),
        account: Dialect,
        asked: &str,
        body: &[u8],
        target: Target<'_>,
    ) -> Result<(Self, Vec<u8>, Losses), Error> {
        let (client, account) = (api(client)?, api(account)?);
        let (request, form) = match (client, operation) {
            (Api::OpenAi, _) => openai::parse_request(body)?,
            (Api::Gemini, Operation::BatchEmbed) => (gemini::parse_batch(body)?, Form::Batch),
            (Api::Gemini, _) => (gemini::parse_single(body)?, Form::Single),
        };
        let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 256);
        match account {
            Api::OpenAi => openai::render_request(&request, target, &mut out),
            Api::Gemini => gemini::render_request(&request, target, &mut out),
        }
        let asked = Asked { model: asked.to_owned(), form };
        Ok((Self { account, asked, texts: request.texts.len() }, out, request.unsaid))
    }

    /// What the account is asked to do.
    pub const fn operation(&self) -> Operation {
        match (self.account, self.texts) {
            (Api::OpenAi, _) | (Api::Gemini, 1) => Operation::Embed,
            (Api::Gemini, _) => Operation::BatchEmbed,
        }
    }

    /// Says an account's answer to the client: the body, what was left out, and the usage.
    pub fn answer(&self, body: &[u8]) -> Result<(Vec<u8>, Losses, Option<Usage>), Error> {
        let answer = match self.account {
            Api::OpenAi => openai::parse_answer(body)?,
            Api::Gemini => gemini::parse_answer(body)?,
        };
        let (made, wanted) = (answer.vectors.len(), self.texts);
        if made != wanted {
            return Err(no_answer(&format!("{made} embeddings for {wanted} texts")));
        }
        let mut out = Vec::with_capacity(body.len() + 256);
        match self.asked.form {
            Form::Numbers | Form::Base64 => openai::render_answer(&answer, &self.asked, &mut out),
            Form::Single | Form::Batch => gemini::render_answer(&answer, self.asked.form, &mut out),
        }
        Ok((out, answer.unsaid, answer.usage))
    }
}

/// A `batchEmbedContents` for an account of its own API that knows the model by another name; `None` where it names
/// none. Each of its requests must name the path's model. Every other byte stays.
pub fn with_model(batch: &[u8], model: &str) -> Option<Vec<u8>> {
    gemini::with_model(batch, model)
}

fn api(dialect: Dialect) -> Result<Api, Error> {
    let none = || Error::new(ErrorKind::NotFound, format!("{dialect} has no embeddings"));
    Api::of(dialect).ok_or_else(none)
}

/// One vector as its provider wrote it: so no digit is lost.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(transparent)]
struct Vector<'a>(&'a RawValue);

impl<'a> Vector<'a> {
    /// A vector of what should be one: a list of numbers, and not an empty one.
    fn new(raw: &'a RawValue) -> Result<Self, Error> {
        let text = raw.get();
        let (mut count, mut numbers) = (0, 0);
        let is_list = json::elements(text.as_bytes(), |at| {
            let first = text.as_bytes().get(at.start);
            count += 1;
            numbers += usize::from(first.is_some_and(|byte| matches!(byte, b'-' | b'0'..=b'9')));
        });
        if is_list.is_err() || count == 0 || numbers != count {
            return Err(no_answer("one is no list of numbers"));
        }
        Ok(Self(raw))
    }

    /// Its numbers.
    fn numbers(self) -> Vec<f32> {
        let list = self.0.get().trim_matches(['[', ']']);
        // Whatever is a number in JSON is one to Rust.
        list.split(',').map(|number| number.trim().parse().unwrap_or_default()).collect()
    }
}

/// The error of an answer that is none.
fn no_answer(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("the provider's answer is no embedding: {what}"))
}

/// Reads the body of a client's request.
fn read_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Error> {
    let wrong = |error| Error::invalid("body", format!("the body asks for no embedding: {error}"));
    serde_json::from_slice(body).map_err(wrong)
}

/// Reads a field of a client's request.
fn read<'a, T: Deserialize<'a>>(raw: &'a RawValue, field: &str) -> Result<T, Error> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let message = error.to_string();
        let reason = message.rsplit_once(" at line ").map_or(&*message, |(reason, _)| reason);
        Error::invalid(field, format!("{field}: {reason}"))
    })
}

/// Reads how many numbers a client wants a vector to have.
fn read_dimensions(raw: Option<&RawValue>, field: &str) -> Result<Option<u32>, Error> {
    match raw.map(|raw| read(raw, field)).transpose()? {
        Some(0) => Err(Error::invalid(field, format!("{field} must be 1 or more"))),
        dimensions => Ok(dimensions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::Quirks;

    const SINGLE: (Dialect, &Operation) = (Dialect::Gemini, &Operation::Embed);
    const BATCH: (Dialect, &Operation) = (Dialect::Gemini, &Operation::BatchEmbed);
    const OPENAI: (Dialect, &Operation) = (Dialect::OpenAiChat, &Operation::Embed);

    fn asked(
        client: (Dialect, &Operation),
        body: &str,
        quirks: Quirks,
    ) -> Result<(Translation, String, Losses), Error> {
        let account = if client == OPENAI { Dialect::Gemini } else { Dialect::OpenAiResponses };
        let target = Target { model: "there", issuer: "", quirks };
        let made = Translation::request(client, account, "here", body.as_bytes(), target)?;
        Ok((made.0, String::from_utf8(made.1).unwrap(), made.2))
    }

    fn said(client: (Dialect, &Operation), body: &str) -> (String, Vec<&'static str>) {
        let (_, body, losses) = asked(client, body, Quirks::default()).unwrap();
        (body, losses.dropped.into_iter().collect())
    }

    /// The field that a request is refused for.
    fn fault(client: (Dialect, &Operation), body: &str) -> String {
        let error = asked(client, body, Quirks::default()).unwrap_err();
        assert_eq!(error.status, 400);
        error.param.unwrap()
    }

    fn answered(client: (Dialect, &Operation), body: &str, answer: &str) -> Result<String, Error> {
        let (translation, ..) = asked(client, body, Quirks::default()).unwrap();
        let (body, ..) = translation.answer(answer.as_bytes())?;
        Ok(String::from_utf8(body).unwrap())
    }

    #[test]
    fn openai_asks_gemini() {
        let text = r#""content":{"role":"user","parts":[{"text":"a"}]}"#;
        let one = format!(r#"{{"model":"models/there",{text}}}"#);
        for input in [r#""a""#, r#"["a"]"#] {
            let body = format!(r#"{{"model":"here","input":{input}}}"#);
            assert_eq!(said(OPENAI, &body), (one.clone(), vec![]));
        }
        let body = r#"{"input":["a","a"],"dimensions":3,"user":"u","encoding_format":"float"}"#;
        let one = format!(r#"{{"model":"models/there",{text},"outputDimensionality":3}}"#);
        let both = format!(r#"{{"requests":[{one},{one}]}}"#);
        assert_eq!(said(OPENAI, body), (both, vec!["user"]));
    }

    #[test]
    fn vertex_has_its_own_form() {
        let quirks = Quirks { embed_config: true, ..Quirks::default() };
        let (_, body, _) = asked(OPENAI, r#"{"input":"a","dimensions":3}"#, quirks).unwrap();
        let expected = r#"{"content":{"role":"user","parts":[{"text":"a"}]},"embedContentConfig":{"outputDimensionality":3}}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn gemini_asks_openai() {
        for (client, body, expected, dropped) in [
            (
                SINGLE,
                r#"{"model":"models/here","content":{"parts":[{"text":"a\"b"},{"text":"c"}]}}"#,
                r#"{"model":"there","input":["a\"b\nc"]}"#,
                vec![],
            ),
            (
                SINGLE,
                r#"{"content":{"role":"user","parts":{"text":"a"}},"task_type":"CLUSTERING","title":"t","outputDimensionality":9,
                    "embedContentConfig":{"output_dimensionality":3,"autoTruncate":true,"documentOcr":false,"audioTrackExtraction":false}}"#,
                r#"{"model":"there","input":["a"],"dimensions":3}"#,
                vec!["audioTrackExtraction", "autoTruncate", "documentOcr", "taskType", "title"],
            ),
            (
                BATCH,
                r#"{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":0,"outputDimensionality":2},
                    {"content":{"parts":[{"text":"b"}]},"taskType":"TASK_TYPE_UNSPECIFIED","outputDimensionality":2}]}"#,
                r#"{"model":"there","input":["a","b"],"dimensions":2}"#,
                vec![],
            ),
        ] {
            assert_eq!(said(client, body), (expected.to_owned(), dropped), "{body}");
        }
    }

    #[test]
    fn what_cannot_be_said_is_refused_by_its_name() {
        for (client, body, field) in [
            (OPENAI, r#"{"input":[1,2]}"#, "input"),
            (OPENAI, r#"{"input":[ [1,2]]}"#, "input"),
            (OPENAI, r#"{"input":[]}"#, "input"),
            (OPENAI, r#"{"input":["a",1]}"#, "input"),
            (OPENAI, r#"{"input":{}}"#, "input"),
            (OPENAI, r#"{"input":null}"#, "input"),
            (OPENAI, r#"{"input":"a","dimensions":0}"#, "dimensions"),
            (OPENAI, r#"{"input":"a","dimensions":"3"}"#, "dimensions"),
            (OPENAI, r#"{"input":"a","encoding_format":"int8"}"#, "encoding_format"),
            (OPENAI, r#"{"input":tru}"#, "body"),
            (SINGLE, "{}", "content"),
            (SINGLE, r#"{"content":[]}"#, "content"),
            (SINGLE, r#"{"content":{"parts":[]}}"#, "content.parts"),
            (SINGLE, r#"{"content":{"parts":[{"text":1}]}}"#, "content.parts"),
            (
                SINGLE,
                r#"{"content":{"parts":[{"text":"a"},{"inline_data":{"data":"AA"}}]}}"#,
                "content.parts.1.inlineData",
            ),
            (SINGLE, r#"{"content":{"parts":[{"functionCall":{}}]}}"#, "content.parts.0"),
            (BATCH, r#"{"requests":[]}"#, "requests"),
            (
                BATCH,
                r#"{"requests":[{"content":{"parts":[{"fileData":{"fileUri":"u"}}]}}]}"#,
                "requests.0.content.parts.0.fileData",
            ),
            (
                BATCH,
                r#"{"requests":[{"content":{"parts":[{"text":"a"}]},"outputDimensionality":1},{"content":{"parts":[{"text":"b"}]}}]}"#,
                "requests.1.outputDimensionality",
            ),
        ] {
            assert_eq!(fault(client, body), field, "{body}");
        }
    }

    #[test]
    fn openai_hears_gemini() {
        // Every digit stays, and 0.1 is the float nearest to it.
        let one = r#"{"embedding":{"values":[0.10000000149011612, -2e-8]}}"#;
        let numbers = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10000000149011612, -2e-8]}],"model":"here","usage":{"prompt_tokens":0,"total_tokens":0}}"#;
        assert_eq!(answered(OPENAI, r#"{"input":"a"}"#, one).unwrap(), numbers);
        let body = r#"{"input":["a","b"],"encoding_format":"base64"}"#;
        let answer = r#"{"embeddings":[{"values":[1]},{"values":[ 0.1,-2.5 ]}],"usageMetadata":{"promptTokenCount":5}}"#;
        let expected = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="},{"object":"embedding","index":1,"embedding":"zczMPQAAIMA="}],"model":"here","usage":{"prompt_tokens":5,"total_tokens":5}}"#;
        assert_eq!(answered(OPENAI, body, answer).unwrap(), expected);
    }

    #[test]
    fn gemini_hears_openai() {
        let content = r#"{"content":{"parts":[{"text":"a"}]}}"#;
        let answer = r#"{"data":[{"embedding":[0.10000000149011612],"index":0}],"usage":{"prompt_tokens":5,"total_tokens":5}}"#;
        let expected = r#"{"embedding":{"values":[0.10000000149011612]},"usageMetadata":{"promptTokenCount":5}}"#;
        assert_eq!(answered(SINGLE, content, answer).unwrap(), expected);
        let batch = format!(r#"{{"requests":[{content},{content}]}}"#);
        let answer = r#"{"data":[{"embedding":[2],"index":1},{"embedding":[1],"index":0}]}"#;
        let expected = r#"{"embeddings":[{"values":[1]},{"values":[2]}]}"#;
        assert_eq!(answered(BATCH, &batch, answer).unwrap(), expected);
    }

    #[test]
    fn an_answer_that_is_none() {
        let body = r#"{"input":["a","b"]}"#;
        for answer in [
            "",
            "<html>",
            "{}",
            r#"{"embedding":{"values":[1]}}"#,
            r#"{"embeddings":[{"values":[1]},{"values":[]}]}"#,
            r#"{"embeddings":[{"values":[1]},{"values":["1"]}]}"#,
            r#"{"embeddings":[{"values":[1]},{"values":"AACAPw=="}]}"#,
        ] {
            assert_eq!(answered(OPENAI, body, answer).unwrap_err().status, 502, "{answer}");
        }
        let error = r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}"#;
        assert_eq!(answered(OPENAI, body, error).unwrap_err().message, "slow down");
    }

    #[test]
    fn a_batch_names_the_model_as_the_account_knows_it() {
        let batch = r#"{"requests":[ {"model":"models/here","content":{"model":1}},{"a":1}, {"x":2, "model" : "models/here" }],"model":"m"}"#;
        let expected = batch.replace("models/here", "models/there");
        assert_eq!(with_model(batch.as_bytes(), "there"), Some(expected.into_bytes()));
        assert_eq!(with_model(br#"{"requests":[{}]}"#, "there"), None);
        assert_eq!(with_model(b"{}", "there"), None);
    }
}
