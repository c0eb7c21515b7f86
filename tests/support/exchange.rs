//! One exchange between two dialects: fixtures, the shortest request that asks for an answer, and events.

use std::fs;
use std::path::Path as FilePath;

use levity::dialects::{Dialect, Path, Quirks, Target};
use levity::ir::error::Error;
use levity::ir::losses::Losses;
use levity::sse;
use levity::translate::{Exchange, Translation};

/// Whose seals an account of this dialect reads.
pub(crate) const fn issuer(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "chat/chat",
        Dialect::OpenAiResponses => "openai/responses",
        Dialect::Anthropic => "anthropic/anthropic",
        Dialect::Gemini => "google/gemini",
    }
}

/// To whom a request is said.
pub(crate) const fn target(account: Dialect, model: &str) -> Target<'_> {
    Target {
        model,
        issuer: issuer(account),
        quirks: Quirks { schema_subset: false, embed_config: false },
    }
}

/// Names and time of every exchange: what is made of them is the same each time.
pub(crate) const EXCHANGE: Exchange<'static> = Exchange { id: "x1", created: 1_700_000_000 };

/// What a fixture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Request,
    Answer,
    Stream,
}

/// One file of `tests/fixtures`.
pub(crate) struct Fixture {
    pub(crate) dialect: Dialect,
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
}

/// Every fixture of the dialects, in order of dialect and name.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let root = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut all = Vec::new();
    for dialect in Dialect::ALL {
        let mut folders = vec![root.join(dialect.name())];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let kind = match path.extension().and_then(|end| end.to_str()) {
                    None => {
                        folders.push(path);
                        continue;
                    }
                    Some("sse") => Kind::Stream,
                    Some(_) if path.parent().unwrap().ends_with("requests") => Kind::Request,
                    Some(_) => Kind::Answer,
                };
                let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
                all.push(Fixture { dialect, kind, name, body: fs::read(path).unwrap() });
            }
        }
    }
    all.sort_by(|a, b| (a.dialect, &a.name).cmp(&(b.dialect, &b.name)));
    assert!(!all.is_empty());
    all
}

/// The three dialects that an account of this one is translated to and from.
pub(crate) fn others(dialect: Dialect) -> impl Iterator<Item = Dialect> {
    Dialect::ALL.into_iter().filter(move |other| *other != dialect)
}

/// The shortest request of a client that wants every kind of answer.
const fn hello(client: Dialect) -> &'static str {
    match client {
        Dialect::OpenAiChat => {
            r#"{"model":"asked-model","messages":[{"role":"user","content":"Hi"}],"stream_options":{"include_usage":true}}"#
        }
        Dialect::OpenAiResponses => r#"{"model":"asked-model","input":"Hi"}"#,
        Dialect::Anthropic => {
            r#"{"model":"asked-model","max_tokens":64,"messages":[{"role":"user","content":"Hi"}]}"#
        }
        Dialect::Gemini => r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}"#,
    }
}

/// Says a client's request to an account.
pub(crate) fn ask(
    client: Dialect,
    account: Dialect,
    body: &[u8],
) -> Result<(Translation, Vec<u8>, Losses), Error> {
    let path = Path { model: "asked-model", stream: false, array_stream: false };
    Translation::request(client, account, body, path, (target(account, "sent-model"), EXCHANGE))
}

/// An account that was asked in short, and is about to answer.
pub(crate) fn asked(client: Dialect, account: Dialect) -> Translation {
    ask(client, account, hello(client).as_bytes()).unwrap().0
}

/// What a client hears of an account's stream, and what was left out.
pub(crate) fn retell(translation: &Translation, stream: &[u8]) -> (String, Losses) {
    let mut out = Vec::new();
    let mut told = translation.stream();
    let mut decoder = sse::Decoder::new();
    decoder.push(stream, |event| told.push(event, &mut out));
    decoder.finish(|event| told.push(event, &mut out));
    told.finish(&mut out);
    (String::from_utf8(out).unwrap(), told.losses().clone())
}
