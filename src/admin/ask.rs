//! A short request in any dialect, and what was answered: for what the owner tries.

use serde::Serialize;

use crate::dialects::tools::Toolbox;
use crate::dialects::{self, Dialect, Origin, Path, Quirks, StreamParser, Target};
use crate::ir::error::Error;
use crate::ir::fold::Folder;
use crate::ir::response::{Block, Response};
use crate::sse;

/// A request of a few words, in the words of Chat Completions: the other dialects' are made from it.
#[derive(Serialize)]
pub(super) struct Words<'a> {
    pub(super) model: &'a str,
    pub(super) messages: [Message<'a>; 1],
    pub(super) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_completion_tokens: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Message<'a> {
    pub(super) const fn of_user(content: &'a str) -> Self {
        Self { role: "user", content }
    }
}

/// The body of a request.
pub(super) fn body(dialect: Dialect, words: &Words<'_>) -> Result<Vec<u8>, Error> {
    let text = serde_json::to_vec(words).unwrap_or_default();
    let request = dialects::parse_request(Dialect::OpenAiChat, &text, Path::default())?;
    let target = Target { model: words.model, issuer: "", quirks: Quirks::default() };
    let mut out = Vec::new();
    let toolbox = Toolbox::new(&request, dialect);
    dialects::render_request(dialect, &request, target, &toolbox, &mut out);
    Ok(out)
}

/// Who is asked does not matter here.
const ORIGIN: Origin<'_> = Origin { issuer: "", id: "try" };

/// The words of a whole answer.
pub(super) fn text(dialect: Dialect, body: &[u8]) -> Result<String, Error> {
    dialects::parse_response(dialect, body, ORIGIN).map(|response| words(&response))
}

/// Reads an answer that comes as a stream of events.
pub(super) struct Listener {
    decoder: sse::Decoder,
    parser: StreamParser,
    folder: Folder,
}

impl Listener {
    pub(super) fn new(dialect: Dialect) -> Self {
        let parser = StreamParser::new(dialect, ORIGIN);
        Self { decoder: sse::Decoder::new(), parser, folder: Folder::new() }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        let Self { decoder, parser, folder } = self;
        decoder.push(chunk, |event| parser.push(event, &mut |event| folder.push(event)));
    }

    /// The words of the answer, once it has ended.
    pub(super) fn finish(self) -> Result<String, Error> {
        let Self { mut decoder, mut parser, mut folder } = self;
        decoder.finish(|event| parser.push(event, &mut |event| folder.push(event)));
        parser.finish(&mut |event| folder.push(event));
        folder.finish().map(|response| words(&response))
    }
}

fn words(response: &Response<'_>) -> String {
    let blocks = response.candidates.iter().flat_map(|candidate| &candidate.blocks);
    let texts = blocks.filter_map(|block| match block {
        Block::Text { text, .. } | Block::Refusal(text) => Some(&**text),
        Block::Reasoning { .. }
        | Block::ToolCall(_)
        | Block::Image { .. }
        | Block::Audio { .. }
        | Block::Hosted(_) => None,
    });
    texts.collect()
}
