//! What the targets share. The first byte of an input chooses the dialect, the second (where there is one) the other side.

use levity::dialects::{Asked, Dialect, Origin, Path, Quirks, Target};
use levity::ir::request::ReplyForm;
use levity::sse;

/// Who answers.
pub const ORIGIN: Origin<'static> = Origin { issuer: "a/b", id: "x1" };

/// To whom a request is said.
pub const fn target(subset: bool) -> Target<'static> {
    Target {
        model: "m",
        issuer: "a/b",
        quirks: Quirks { schema_subset: subset, embed_config: subset },
    }
}

/// Where a request was posted.
pub const fn path(stream: bool) -> Path<'static> {
    Path { model: "m", stream, array_stream: false }
}

/// How the client asked.
pub fn asked() -> Asked {
    Asked {
        model: "m".to_owned(),
        reply: ReplyForm { include_usage: true, ..ReplyForm::default() },
        id: "x1".to_owned(),
        created: 7,
    }
}

/// Takes the first byte off: the dialect that it chooses.
pub fn dialect(data: &[u8]) -> Option<(Dialect, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((Dialect::ALL[usize::from(first & 3)], rest))
}

/// The events of a stream, handed over in two chunks.
pub fn events(stream: &[u8], cut: usize) -> Vec<sse::Event<'static>> {
    let mut decoder = sse::Decoder::new();
    let mut events = Vec::new();
    let mut each = |event: &sse::Event<'_>| {
        events.push(sse::Event {
            name: event.name.clone().into_owned().into(),
            data: event.data.clone().into_owned().into(),
        });
    };
    let (first, second) = stream.split_at(cut.min(stream.len()));
    decoder.push(first, &mut each);
    decoder.push(second, &mut each);
    decoder.finish(&mut each);
    events
}

/// Fails unless these bytes are one JSON value.
#[track_caller]
pub fn is_json(bytes: &[u8]) {
    if let Err(error) = serde_json::from_slice::<&serde_json::value::RawValue>(bytes) {
        panic!("{error}: {}", String::from_utf8_lossy(bytes));
    }
}
