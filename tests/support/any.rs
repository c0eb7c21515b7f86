//! Requests and answers of every shape, for laws that hold of all of them.

use levity::ir::request::{
    CallKind, File, Format, Function, Image, Part, Request, Role, Sampling, Source, Tool, ToolCall,
    ToolChoice, ToolResult, Turn,
};
use levity::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Logprob, Response};
use levity::ir::seal::{Seal, SealKind};
use levity::ir::usage::Usage;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::value::RawValue;

/// Words that say something, with what JSON and SSE must escape.
pub(crate) fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z ü世🙂\"\\\\\n\t:{}<&-]{0,12}[a-zß🙂]"
}

fn id() -> impl Strategy<Value = String> {
    "[a-z]{1,4}_[a-zA-Z0-9]{1,12}"
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-zA-Z0-9_-]{0,12}"
}

/// A JSON object as text.
pub(crate) fn arguments() -> impl Strategy<Value = String> {
    vec(("[a-z]{1,5}", value()), 0..4).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .enumerate()
            .map(|(at, (key, value))| format!("\"{key}{at}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    })
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|it| it.to_string()),
        any::<i32>().prop_map(|it| it.to_string()),
        text().prop_map(|it| serde_json::to_string(&it).unwrap()),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(",")))
    })
}

fn call() -> impl Strategy<Value = ToolCall<'static>> {
    (id(), name(), arguments()).prop_map(|(id, name, arguments)| ToolCall {
        id: id.into(),
        name: name.into(),
        namespace: None,
        arguments: arguments.into(),
        kind: CallKind::Function,
        seal: None,
    })
}

/// The seal of a thought, by this issuer.
pub(crate) fn seal(issuer: &'static str) -> impl Strategy<Value = Seal<'static>> {
    "[A-Za-z0-9+/]{4}{1,6}".prop_map(move |data| Seal {
        issuer: issuer.into(),
        kind: SealKind::Reasoning,
        id: "".into(),
        data: data.into(),
    })
}

fn citation() -> impl Strategy<Value = Citation<'static>> {
    ("[a-z]{1,5}", option::of(text())).prop_map(|(page, title)| Citation {
        source: CitationSource::Url(format!("https://example.com/{page}").into()),
        title: title.map(Into::into),
        quote: None,
        span: None,
    })
}

fn logprob() -> impl Strategy<Value = Logprob> {
    (text(), -20.0..0.0_f64, vec((text(), -20.0..0.0_f64), 0..3))
        .prop_map(|(token, logprob, top)| Logprob { token, logprob, top })
}

fn block() -> impl Strategy<Value = Block<'static>> {
    prop_oneof![
        3 => (text(), vec(citation(), 0..2), vec(logprob(), 0..2)).prop_map(
            |(text, citations, logprobs)| Block::Text { text: text.into(), citations, logprobs }
        ),
        2 => (text(), option::of(seal("a/b"))).prop_map(|(text, seal)| Block::Reasoning {
            text: text.into(),
            seal
        }),
        3 => call().prop_map(Block::ToolCall),
    ]
}

fn finish() -> impl Strategy<Value = Finish> {
    prop_oneof![
        Just(Finish::Stop),
        Just(Finish::StopSequence),
        Just(Finish::Length),
        Just(Finish::ContentFilter),
        Just(Finish::Pause),
        Just(Finish::Other),
    ]
}

/// Token counts that add up: parts are never more than their whole.
pub(crate) fn usage() -> impl Strategy<Value = Usage> {
    (0..1000_u64, 0..1000_u64, 0..1000_u64, 0..1000_u64, 0..1000_u64).prop_map(
        |(fresh, cache_read, cache_write, said, reasoning)| Usage {
            input: fresh + cache_read + cache_write,
            cache_read,
            cache_write,
            output: said + reasoning,
            reasoning,
        },
    )
}

fn candidate() -> impl Strategy<Value = Candidate<'static>> {
    let refusal = option::weighted(0.1, text());
    (vec(block(), 0..5), refusal, finish()).prop_map(|(mut blocks, refusal, finish)| {
        let calls = blocks.iter().any(|block| matches!(block, Block::ToolCall(_)));
        if let Some(refusal) = refusal.filter(|_| !calls) {
            blocks.push(Block::Refusal(refusal.into()));
            return Candidate { blocks, finish: Some(Finish::ContentFilter) };
        }
        let finish = match finish {
            Finish::Length | Finish::ContentFilter => finish,
            _ if calls => Finish::ToolCalls,
            Finish::Stop
            | Finish::StopSequence
            | Finish::ToolCalls
            | Finish::Pause
            | Finish::Other => finish,
        };
        Candidate { blocks, finish: Some(finish) }
    })
}

/// An answer with one candidate or two.
pub(crate) fn response() -> impl Strategy<Value = Response<'static>> {
    (id(), name(), option::of(0..2_000_000_000_u64), vec(candidate(), 1..3), usage()).prop_map(
        |(id, model, created, candidates, usage)| Response {
            id: id.into(),
            model: model.into(),
            created,
            candidates,
            usage: Some(usage),
        },
    )
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

const SCHEMA: &str = r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a","b"],"additionalProperties":false}"#;

fn picture() -> impl Strategy<Value = Part<'static>> {
    prop_oneof![
        Just(Source::Base64("iVBORw0KGgo=".into())),
        Just(Source::Url("https://example.com/a.png".into())),
    ]
    .prop_map(|source| Part::Image(Image { source, mime: Some("image/png".into()), detail: None }))
}

fn document() -> impl Strategy<Value = Part<'static>> {
    name().prop_map(|name| {
        Part::File(File {
            source: Source::Base64("JVBERi0xLjQ=".into()),
            mime: Some("application/pdf".into()),
            name: Some(format!("{name}.pdf").into()),
            context: None,
            cite: false,
        })
    })
}

fn words() -> impl Strategy<Value = Part<'static>> {
    text().prop_map(|text| Part::Text(text.into()))
}

fn user() -> impl Strategy<Value = Vec<Turn<'static>>> {
    vec(prop_oneof![4 => words(), 1 => picture(), 1 => document()], 1..3)
        .prop_map(|parts| vec![Turn { role: Role::User, parts }])
}

/// The model speaks, and calls tools that answer.
fn model() -> impl Strategy<Value = Vec<Turn<'static>>> {
    (option::of(words()), vec((call(), text()), 0..3)).prop_map(|(words, calls)| {
        let said = words.into_iter();
        let called = calls.iter().map(|(call, _)| Part::ToolCall(call.clone()));
        let answered = calls.iter().map(|(call, text)| {
            Part::ToolResult(ToolResult {
                call: call.id.clone(),
                name: Some(call.name.clone()),
                parts: vec![Part::Text(text.clone().into())],
                failed: false,
                kind: CallKind::Function,
            })
        });
        vec![
            Turn { role: Role::Assistant, parts: said.chain(called).collect() },
            Turn { role: Role::Tool, parts: answered.collect() },
        ]
    })
}

fn tools() -> impl Strategy<Value = Vec<Tool<'static>>> {
    vec((name(), option::of(text())), 0..3).prop_map(|tools| {
        let numbered = tools.into_iter().enumerate();
        let tool = numbered.map(|(at, (name, description))| {
            Tool::Function(Function {
                name: format!("{name}{at}").into(),
                namespace: None,
                description: description.map(Into::into),
                schema: Some(std::borrow::Cow::Owned(raw(SCHEMA))),
                strict: None,
            })
        });
        tool.collect()
    })
}

fn format() -> impl Strategy<Value = Format<'static>> {
    prop_oneof![
        4 => Just(Format::Text),
        1 => Just(Format::JsonObject),
        1 => Just(Format::JsonSchema {
            name: Some("out".into()),
            description: None,
            schema: std::borrow::Cow::Owned(raw(SCHEMA)),
            strict: None,
        }),
    ]
}

/// A quarter of a number from 0 to 1: what every dialect writes the same.
fn quarter() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.25), Just(0.5), Just(0.75)]
}

fn sampling() -> impl Strategy<Value = Sampling> {
    (
        option::of(quarter()),
        option::weighted(0.2, quarter()),
        option::weighted(0.2, 1..100_u64),
        option::weighted(0.2, 0..100_i64),
    )
        .prop_map(|(temperature, top_p, top_k, seed)| Sampling {
            temperature,
            top_p,
            top_k,
            seed,
            presence_penalty: None,
            frequency_penalty: None,
        })
}

/// A conversation in order, with settings that most dialects have.
pub(crate) fn request() -> impl Strategy<Value = Request<'static>> {
    let turns = (option::of(text()), user(), vec((model(), user()), 0..3));
    let tools = (tools(), any::<prop::sample::Selector>(), 0..4_u8);
    let settings = (sampling(), option::of(1..9000_u64), format(), any::<bool>());
    let rest = (vec("[A-Z]{3}", 0..2), option::weighted(0.2, Just(false)), option::of(name()));
    (turns, tools, settings, rest).prop_map(
        |((system, first, then), (tools, pick, choice), (sampling, max, format, stream), rest)| {
            let (stop, parallel_tool_calls, user) = rest;
            let system = system
                .map(|text| Turn { role: Role::System, parts: vec![Part::Text(text.into())] });
            let rest = then.into_iter().flat_map(|(model, user)| model.into_iter().chain(user));
            let tool_choice = match (choice, tools.is_empty()) {
                (0, false) => ToolChoice::Required,
                (1, false) => match pick.select(&tools) {
                    Tool::Function(tool) => ToolChoice::Named(tool.name.clone()),
                    Tool::Custom(_) | Tool::Hosted(_) => ToolChoice::Unset,
                },
                (2, false) => ToolChoice::Auto,
                _ => ToolChoice::Unset,
            };
            let parallel_tool_calls = parallel_tool_calls.filter(|_| !tools.is_empty());
            Request {
                model: "m".into(),
                stream,
                turns: system.into_iter().chain(first).chain(rest).collect(),
                tools,
                tool_choice,
                parallel_tool_calls,
                max_output: max,
                sampling,
                stop: stop.into_iter().map(Into::into).collect(),
                format,
                user: user.map(Into::into),
                ..Request::default()
            }
        },
    )
}
