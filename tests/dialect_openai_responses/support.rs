//! What the tests share.

use std::collections::BTreeMap;

use levity::dialects::tools::Toolbox;
use levity::dialects::{
    self, Asked, Dialect, Origin, Path, Quirks, StreamParser, StreamRenderer, Target,
};
use levity::ir::error::Error;
use levity::ir::event::Event;
use levity::ir::fold::{Folder, unfold};
use levity::ir::grammar::Checker;
use levity::ir::losses::Losses;
use levity::ir::request::{ReplyForm, Request};
use levity::ir::response::Response;
use levity::sse;
use serde_json::Value;

pub(crate) const RESPONSES: Dialect = Dialect::OpenAiResponses;
pub(crate) const ISSUER: &str = "openai/a";
pub(crate) const ORIGIN: Origin<'static> = Origin { issuer: ISSUER, id: "x1" };

/// A fixture of the dialect.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/fixtures/openai_responses/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn asked() -> Asked {
    Asked {
        model: "asked-model".to_owned(),
        reply: ReplyForm::default(),
        id: "x1".to_owned(),
        created: 1_700_000_000,
    }
}

pub(crate) fn target() -> Target<'static> {
    Target { model: "up-model", issuer: ISSUER, quirks: Quirks::default() }
}

pub(crate) fn parse_request(body: &str) -> Result<Request<'_>, Error> {
    dialects::parse_request(RESPONSES, body.as_bytes(), Path::default())
}

/// Says a request to an account of this dialect.
pub(crate) fn render_request(request: &Request<'_>, target: Target<'_>) -> (Value, Losses) {
    let mut out = Vec::new();
    let toolbox = Toolbox::new(request, RESPONSES);
    let losses = dialects::render_request(RESPONSES, request, target, &toolbox, &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

pub(crate) fn render_response(response: &Response<'_>, asked: &Asked) -> (Value, Losses) {
    let mut out = Vec::new();
    let losses = dialects::render_response(RESPONSES, response, asked, &mut out);
    (serde_json::from_slice(&out).unwrap(), losses)
}

/// The events of a stream, by their names and data.
pub(crate) fn events(bytes: &[u8]) -> Vec<(String, String)> {
    let mut events = Vec::new();
    let mut each =
        |event: &sse::Event<'_>| events.push((event.name.to_string(), event.data.to_string()));
    let mut decoder = sse::Decoder::new();
    decoder.push(bytes, &mut each);
    decoder.finish(&mut each);
    events
}

/// The steps of an account's stream, written out; they obey the grammar. `take` events are read.
pub(crate) fn steps(bytes: &[u8], take: usize) -> Vec<String> {
    let mut steps = Vec::new();
    read(bytes, take, &mut |event| steps.push(format!("{event:?}")));
    steps
}

/// The answer that an account's stream adds up to.
pub(crate) fn folded(bytes: &[u8]) -> Result<Response<'static>, Error> {
    let mut folder = Folder::new();
    read(bytes, usize::MAX, &mut |event| folder.push(event));
    folder.finish()
}

fn read(bytes: &[u8], take: usize, each: &mut dyn FnMut(&Event<'_>)) {
    let mut parser = StreamParser::new(RESPONSES, ORIGIN);
    let mut checker = Checker::new();
    let mut both = |event: &Event<'_>| {
        checker.push(event).unwrap();
        each(event);
    };
    for (name, data) in events(bytes).into_iter().take(take) {
        parser.push(&sse::Event { name: name.into(), data: data.into() }, &mut both);
    }
    parser.finish(&mut both);
    checker.finish().unwrap();
}

/// The stream of a whole answer, as a client of this dialect hears it.
pub(crate) fn streamed(response: &Response<'_>, asked: Asked) -> (Vec<u8>, Losses) {
    let mut out = Vec::new();
    let mut renderer = StreamRenderer::new(RESPONSES, asked);
    unfold(response, &mut |event| renderer.push(event, &mut out));
    (out, renderer.losses().clone())
}

/// Holds a rendered stream to the dialect's grammar; gives its last event.
pub(crate) fn check_stream(bytes: &[u8]) -> Value {
    let mut items: BTreeMap<u64, (Value, Option<Value>)> = BTreeMap::new();
    let mut said: BTreeMap<(u64, String, u64), String> = BTreeMap::new();
    let mut last = Value::Null;
    for (number, (name, data)) in events(bytes).into_iter().enumerate() {
        let event: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(event["type"], name, "the event's name");
        assert_eq!(event["sequence_number"], number, "{name}: rising numbers");
        assert!(!last["response"]["output"].is_array() || number < 3, "{name} after the end");
        if number == 0 {
            assert_eq!(name, "response.created");
        }
        let index = event["output_index"].as_u64();
        let known = index.is_some_and(|index| items.contains_key(&index));
        match name.as_str() {
            "response.output_item.added" => {
                assert_eq!(index, Some(items.len() as u64), "indexes count up");
                items.insert(items.len() as u64, (event["item"].clone(), None));
            }
            "response.output_item.done" => {
                assert!(known, "{name} without its beginning");
                let (begun, whole) = items.get_mut(&index.unwrap()).unwrap();
                assert_eq!(begun["id"], event["item"]["id"], "one id");
                assert!(whole.replace(event["item"].clone()).is_none(), "done once");
            }
            _ if index.is_some() => {
                assert!(known, "{name} without its item");
                let item = &items[&index.unwrap()];
                assert!(item.1.is_none(), "{name} after its item");
                assert_eq!(item.0["id"], event["item_id"], "{name}: the item's id");
                collect(&mut said, &name, &event);
            }
            _ => {}
        }
        last = event;
    }
    let done: Vec<Value> =
        items.into_values().map(|(_, whole)| whole.unwrap_or_default()).collect();
    if last["type"] != "response.failed" {
        assert_eq!(last["response"]["output"], Value::Array(done), "the last event repeats all");
    }
    last
}

/// Adds up deltas, and compares them with what their `done` says.
fn collect(said: &mut BTreeMap<(u64, String, u64), String>, name: &str, event: &Value) {
    let (_, what) = name.split_once("response.").unwrap();
    let Some((what, step)) = what.rsplit_once('.') else { return };
    let part = ["content_index", "summary_index"].iter().find_map(|index| event[index].as_u64());
    let key = (event["output_index"].as_u64().unwrap(), what.to_owned(), part.unwrap_or_default());
    match step {
        "delta" => said.entry(key).or_default().push_str(event["delta"].as_str().unwrap()),
        "done" => {
            let whole = ["text", "refusal", "arguments", "input"]
                .iter()
                .find_map(|member| event[member].as_str());
            if let Some(whole) = whole {
                assert_eq!(said.get(&key).map_or("", String::as_str), whole, "{name}");
            }
        }
        _ => {}
    }
}
