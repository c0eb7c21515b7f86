//! What holds of every dialect and every pair of them, whatever is said.

#![expect(clippy::disallowed_types, reason = "fixtures are compared as JSON")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::format_collect,
    reason = "tests: a panic is a failure"
)]

#[path = "support/any.rs"]
mod any;
#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/said.rs"]
mod said;

#[path = "laws/answers.rs"]
mod answers;
#[path = "laws/corpus.rs"]
mod corpus;
#[path = "laws/endings.rs"]
mod endings;
#[path = "laws/garbage.rs"]
mod garbage;
#[path = "laws/media.rs"]
mod media;
#[path = "laws/requests.rs"]
mod requests;
#[path = "laws/signatures.rs"]
mod signatures;
#[path = "laws/streams.rs"]
mod streams;
#[path = "laws/tools.rs"]
mod tools;
#[path = "laws/usage.rs"]
mod usage;

use exchange::{EXCHANGE, issuer};
use levity::dialects::{self, Asked, Dialect, Origin, StreamParser, StreamRenderer};
use levity::ir::error::Error;
use levity::ir::event::Event;
use levity::ir::fold::{Folder, unfold};
use levity::ir::grammar::Checker;
use levity::ir::losses::Losses;
use levity::ir::request::ReplyForm;
use levity::ir::response::Response;
use levity::sse;

fn origin(dialect: Dialect) -> Origin<'static> {
    Origin { issuer: issuer(dialect), id: EXCHANGE.id }
}

fn asked() -> Asked {
    Asked {
        model: "asked-model".to_owned(),
        reply: ReplyForm { include_usage: true, ..ReplyForm::default() },
        id: EXCHANGE.id.to_owned(),
        created: EXCHANGE.created,
    }
}

/// Reads a stream cut at some bytes; calls `each` for every step of the answer.
fn hear(dialect: Dialect, chunks: &[&[u8]], each: &mut dyn FnMut(&Event<'_>)) {
    let mut parser = StreamParser::new(dialect, origin(dialect));
    let mut decoder = sse::Decoder::new();
    for chunk in chunks {
        decoder.push(chunk, |event| parser.push(event, each));
    }
    decoder.finish(|event| parser.push(event, each));
    parser.finish(each);
}

/// Reads a stream to its end, by the grammar; the answer that it comes to.
fn folded(dialect: Dialect, chunks: &[&[u8]]) -> Result<Response<'static>, Error> {
    let (mut folder, mut checker) = (Folder::new(), Checker::new());
    hear(dialect, chunks, &mut |event| {
        checker.push(event).unwrap();
        folder.push(event);
    });
    checker.finish().unwrap();
    folder.finish()
}

/// The events of a stream, to compare.
fn trace(dialect: Dialect, chunks: &[&[u8]]) -> Vec<String> {
    let mut events = Vec::new();
    hear(dialect, chunks, &mut |event| events.push(format!("{event:?}")));
    events
}

/// An answer as a client gets it whole.
fn whole(client: Dialect, response: &Response<'_>) -> (Vec<u8>, Losses) {
    let mut out = Vec::new();
    let losses = dialects::render_response(client, response, &asked(), &mut out);
    (out, losses)
}

/// An answer as a client gets it streamed.
fn streamed(client: Dialect, response: &Response<'_>) -> (Vec<u8>, Losses) {
    let mut renderer = StreamRenderer::new(client, asked());
    let mut out = Vec::new();
    unfold(response, &mut |event: &Event<'_>| renderer.push(event, &mut out));
    let losses = renderer.losses().clone();
    (out, losses)
}
