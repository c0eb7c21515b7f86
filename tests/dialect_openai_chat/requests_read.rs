//! What clients ask, and what it means.

use levity::ir::request::{
    Amount, CallKind, Effort, Format, HostedKind, Part, Request, Role, Source, Tool, ToolChoice,
    Verbosity,
};
use levity::ir::seal::{self, Seal, SealKind};
use proptest::prelude::*;

use crate::support::read;

const USER: &str = r#""messages":[{"role":"user","content":"Hi"}]"#;

/// A request with more fields than it needs.
fn with(fields: &str) -> String {
    format!(r#"{{"model":"m",{USER},{fields}}}"#)
}

#[track_caller]
fn reads(fields: &str, is: impl FnOnce(&Request<'_>) -> bool) {
    let body = with(fields);
    let request = read(&body).unwrap();
    assert!(is(&request), "{fields}: {request:#?}");
}

#[track_caller]
fn refuses(body: &str, field: &str) {
    let error = read(body).unwrap_err();
    assert_eq!(error.param.as_deref().unwrap_or(""), field, "{error:?}");
    assert_eq!(error.status, 400);
    assert!(error.message.contains(field), "{error:?}");
}

#[test]
fn settings() {
    reads(
        r#""stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}"#,
        |it| it.stream && it.reply.include_usage,
    );
    reads(r#""stream":null,"temperature":null,"tools":null,"stop":null,"n":null"#, |it| {
        !it.stream && !it.reply.include_usage && it.unsaid.is_empty()
    });
    reads(r#""max_tokens":7"#, |it| it.max_output == Some(7));
    reads(r#""max_completion_tokens":8,"max_tokens":7"#, |it| it.max_output == Some(8));
    reads(
        r#""temperature":0,"top_p":0.5,"seed":-7,"presence_penalty":-1,"frequency_penalty":2,"top_k":40"#,
        |it| {
            let s = it.sampling;
            (s.temperature, s.top_p, s.seed) == (Some(0.0), Some(0.5), Some(-7))
                && (s.presence_penalty, s.frequency_penalty) == (Some(-1.0), Some(2.0))
                && s.top_k == Some(40)
        },
    );
    reads(r#""top_k":-1"#, |it| it.sampling.top_k.is_none());
    reads(r#""stop":"END""#, |it| it.stop == ["END"]);
    reads(r#""stop":["a","\n",""]"#, |it| it.stop == ["a", "\n"]);
    reads(r#""n":3"#, |it| it.candidates == Some(3));
    reads(r#""logprobs":true"#, |it| it.logprobs == Some(0));
    reads(r#""logprobs":true,"top_logprobs":5"#, |it| it.logprobs == Some(5));
    reads(r#""logprobs":false"#, |it| it.logprobs.is_none());
    reads(r#""verbosity":"high""#, |it| it.verbosity == Some(Verbosity::High));
    reads(r#""service_tier":"flex","prompt_cache_key":"k","user":"u""#, |it| {
        it.service_tier.as_deref() == Some("flex")
            && it.cache_key.as_deref() == Some("k")
            && it.user.as_deref() == Some("u")
    });
    reads(r#""safety_identifier":"s","user":"u""#, |it| it.user.as_deref() == Some("s"));
    reads(r#""metadata":{"a":"b"}"#, |it| {
        it.metadata.as_ref().is_some_and(|raw| raw.get() == r#"{"a":"b"}"#)
    });
    reads(r#""parallel_tool_calls":false"#, |it| it.parallel_tool_calls == Some(false));
}

#[test]
fn thinking_in_everybodys_words() {
    for (fields, amount) in [
        (r#""reasoning_effort":"none""#, Amount::Off),
        (r#""reasoning_effort":"minimal""#, Amount::Effort(Effort::Minimal)),
        (r#""reasoning_effort":"xhigh""#, Amount::Effort(Effort::ExtraHigh)),
        (r#""reasoning_effort":"max""#, Amount::Effort(Effort::Max)),
        (r#""reasoning_effort":null"#, Amount::Unset),
        (r#""reasoning":{"effort":"low"}"#, Amount::Effort(Effort::Low)),
        (r#""reasoning":{"max_tokens":2000}"#, Amount::Budget(2000)),
        (r#""reasoning":{"enabled":true}"#, Amount::Adaptive(None)),
        (r#""reasoning":{"enabled":false}"#, Amount::Off),
        (r#""thinking":{"type":"enabled"}"#, Amount::Adaptive(None)),
        (r#""thinking":{"type":"enabled","budget_tokens":99}"#, Amount::Budget(99)),
        (r#""thinking":{"type":"disabled"},"reasoning_effort":"high""#, Amount::Off),
        (
            r#""thinking":{"type":"enabled","clear_thinking":false},"reasoning_effort":"high""#,
            Amount::Effort(Effort::High),
        ),
        (r#""enable_thinking":true"#, Amount::Adaptive(None)),
        (r#""enable_thinking":true,"thinking_budget":50"#, Amount::Budget(50)),
        (r#""enable_thinking":false"#, Amount::Off),
        (r#""extra_body":{"google":{"thinking_config":{"thinking_budget":0}}}"#, Amount::Off),
        (
            r#""extra_body":{"google":{"thinking_config":{"thinking_budget":-1}}}"#,
            Amount::Adaptive(None),
        ),
        (
            r#""extra_body":{"google":{"thinking_config":{"thinking_level":"LOW"}}}"#,
            Amount::Effort(Effort::Low),
        ),
    ] {
        reads(fields, |it| it.reasoning.amount == amount);
    }
    reads(r#""include_reasoning":true"#, |it| it.reasoning.show == Some(true));
    reads(r#""reasoning":{"exclude":true}"#, |it| it.reasoning.show == Some(false));
}

#[test]
fn the_form_of_the_answer() {
    reads(r#""response_format":{"type":"text"}"#, |it| matches!(it.format, Format::Text));
    reads(r#""response_format":{"type":"json_object"}"#, |it| {
        matches!(it.format, Format::JsonObject)
    });
    reads(
        r#""response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object"},"strict":true}}"#,
        |it| {
            matches!(&it.format, Format::JsonSchema { name: Some(name), description: Some(_), schema, strict: Some(true) }
                if name == "n" && schema.get() == r#"{"type":"object"}"#)
        },
    );
    reads(r#""response_format":{"type":"json_object","schema":{"type":"object"}}"#, |it| {
        matches!(&it.format, Format::JsonSchema { name: None, .. })
    });
    refuses(
        &with(r#""response_format":{"type":"json_schema","json_schema":{"name":"n"}}"#),
        "response_format.json_schema.schema",
    );
}

#[test]
fn tools() {
    reads(
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},{"type":"function","function":{"name":"g"}}]"#,
        |it| {
            matches!(&it.tools[..], [Tool::Function(f), Tool::Function(g)]
                if f.name == "f" && f.strict == Some(true) && f.description.as_deref() == Some("d")
                && f.schema.as_ref().unwrap().get() == r#"{"type":"object"}"#
                && g.schema.is_none())
        },
    );
    reads(
        r#""tools":[{"type":"custom","custom":{"name":"p","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"a\""}}}}]"#,
        |it| {
            matches!(&it.tools[..], [Tool::Custom(p)] if p.format.as_ref().unwrap().get()
                == r#"{"type":"grammar","syntax":"lark","definition":"start: \"a\""}"#)
                && it.reply.echo.as_deref() == Some("custom")
        },
    );
    reads(
        r#""tools":[{"type":"openrouter:web_search","parameters":{}},{"type":"code_interpreter"}]"#,
        |it| {
            matches!(&it.tools[..], [Tool::Hosted(search), Tool::Hosted(code)]
            if search.kind == HostedKind::WebSearch && search.name == "openrouter:web_search"
            && code.kind == HostedKind::CodeExecution)
        },
    );
    reads(r#""web_search_options":{"search_context_size":"low"}"#, |it| {
        matches!(&it.tools[..], [Tool::Hosted(search)] if search.kind == HostedKind::WebSearch)
            && it.unsaid.dropped.contains("search_context_size")
    });
    reads(r#""functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"}"#, |it| {
        matches!(&it.tools[..], [Tool::Function(f)] if f.name == "f")
            && it.tool_choice == ToolChoice::Named("f".into())
            && it.reply.echo.as_deref() == Some("function_call")
    });
}

#[test]
fn tool_choice() {
    let named = || ToolChoice::Named("f".into());
    for (choice, expected) in [
        (r#""auto""#, ToolChoice::Auto),
        (r#""none""#, ToolChoice::None),
        (r#""required""#, ToolChoice::Required),
        (r#""any""#, ToolChoice::Required),
        (r#"{"type":"function","function":{"name":"f"}}"#, named()),
        (r#"{"type":"function","name":"f"}"#, named()),
        (r#"{"type":"custom","custom":{"name":"f"}}"#, named()),
        (
            r#"{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}}"#,
            ToolChoice::Allowed { names: vec!["f".into(), "g".into()], required: true },
        ),
        (r#"{"type":"web_search_preview"}"#, ToolChoice::Hosted(HostedKind::WebSearch)),
    ] {
        reads(&format!(r#""tool_choice":{choice}"#), |it| it.tool_choice == expected);
    }
}

#[test]
fn what_has_no_neutral_word_is_told() {
    for field in [
        "logit_bias",
        "prediction",
        "moderation",
        "prompt_cache_options",
        "prompt_cache_retention",
        "min_p",
        "top_a",
        "repetition_penalty",
        "provider",
        "models",
        "transforms",
    ] {
        reads(&format!(r#""{field}":{{"a":[1]}}"#), |it| it.unsaid.dropped.contains(field));
        reads(&format!(r#""{field}":null"#), |it| it.unsaid.is_empty());
    }
    reads(r#""store":true"#, |it| it.unsaid.dropped.contains("store"));
    reads(r#""store":false"#, |it| it.unsaid.is_empty());
    reads(r#""modalities":["text"]"#, |it| it.unsaid.is_empty());
    for (fields, refused) in [
        (r#""modalities":["text","audio"],"audio":{"voice":"alloy","format":"wav"}"#, "modalities"),
        (r#""plugins":[{"id":"web"}]"#, "plugins"),
        (r#""search_parameters":{"mode":"on"}"#, "search_parameters"),
        (r#""response_format":{"type":"grammar","grammar":"x"}"#, "response_format"),
        (r#""extra_body":{"google":{"cached_content":"c"}}"#, "extra_body.google.cached_content"),
    ] {
        reads(fields, |it| it.unsaid.refused.iter().any(|(field, _)| field == refused));
    }
}

/// Whatever is not read is told: a field that is new, and one that is misspelt.
#[test]
fn what_is_not_known_is_told_by_its_place() {
    for (fields, place) in [
        (r#""temprature":0.5"#, "temprature"),
        (r#""something_new":[1]"#, "something_new"),
        (
            r#""tools":[{"type":"function","function":{"name":"f","unknown":{"a":1}}}]"#,
            "tools.function.unknown",
        ),
        (r#""response_format":{"type":"text","depth":3}"#, "response_format.depth"),
    ] {
        reads(fields, |it| it.unsaid.names().eq([place]));
    }
    for nothing in
        [r#""new":null"#, r#""new":[ ]"#, r#""stream_options":{"include_obfuscation":true}"#]
    {
        reads(nothing, |it| it.unsaid.is_empty());
    }
    let odd = format!(r#""{}":1,"x, y":2,"A\u000d\u000ax: y":3"#, "long".repeat(40));
    reads(&odd, |it| it.unsaid.names().eq(["others"]));
    let many: Vec<String> = (0..100).map(|n| format!(r#""field{n:03}":1"#)).collect();
    reads(&many.join(","), |it| it.unsaid.names().count() == 25);
}

#[test]
fn a_conversation() {
    use Role::{Assistant, Developer, System, Tool, User};
    let body = r#"{"model":"m","messages":[
        {"role":"system","content":"Be kind."},
        {"role":"developer","content":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}]},
        {"role":"user","name":"ann","content":[
            {"type":"text","text":"Look"},{"type":"text","text":""},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}},
            {"type":"image_url","image_url":{"url":"https://x/y.png"}},
            {"type":"input_audio","input_audio":{"data":"BBBB","format":"wav"}},
            {"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,CCCC"}},
            {"type":"file","file":{"filename":"b.pdf","file_data":"DDDD"}},
            {"type":"file","file":{"file_id":"file-1"}},
            {"type":"video_url","video_url":{"url":"https://x/y.mp4"}}]},
        {"role":"assistant","content":"","reasoning_content":"Hm","refusal":null,"tool_calls":[
            {"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},
            {"id":"c2","type":"custom","custom":{"name":"p","input":"*** x"}}]},
        {"role":"tool","tool_call_id":"c2","content":"done"},
        {"role":"tool","tool_call_id":"c1","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]},
        {"role":"assistant","content":[{"type":"text","text":"So."},{"type":"refusal","refusal":"No."}]},
        {"role":"assistant","content":null,"refusal":"Never."},
        {"role":"user","content":"Bye"}]}"#;
    let request = read(body).unwrap();
    let roles: Vec<Role> = request.turns.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [System, Developer, User, Assistant, Tool, Assistant, Assistant, User]);
    assert!(request.unsaid.dropped.contains("name"));
    assert!(request.unsaid.dropped.contains("cache_control"));
    let user = &request.turns[2].parts;
    assert_eq!(user.len(), 8);
    assert!(matches!(&user[1], Part::Image(image)
        if matches!(&image.source, Source::Base64(data) if data == "AAAA")
        && image.mime.as_deref() == Some("image/png") && image.detail.as_deref() == Some("low")));
    assert!(matches!(&user[2], Part::Image(image)
        if matches!(&image.source, Source::Url(url) if url == "https://x/y.png")));
    assert!(matches!(&user[3], Part::Audio(audio)
        if matches!(&audio.source, Source::Base64(data) if data == "BBBB")
        && audio.mime.as_deref() == Some("audio/wav")));
    assert!(matches!(&user[4], Part::File(file)
        if matches!(&file.source, Source::Base64(data) if data == "CCCC")
        && file.mime.as_deref() == Some("application/pdf") && file.name.as_deref() == Some("a.pdf")));
    assert!(matches!(&user[5], Part::File(file)
        if matches!(&file.source, Source::Base64(data) if data == "DDDD")
        && file.mime.as_deref() == Some("application/pdf")));
    assert!(matches!(&user[6], Part::File(file) if matches!(&file.source, Source::FileId(_))));
    assert!(matches!(&user[7], Part::Video(_)));
    let [Part::Reasoning(hm), Part::ToolCall(f), Part::ToolCall(p)] = &request.turns[3].parts[..]
    else {
        panic!("{:?}", request.turns[3]);
    };
    assert_eq!((hm.text.as_ref(), hm.seal.is_none()), ("Hm", true));
    assert_eq!((f.id.as_ref(), f.arguments.as_ref()), ("c1", "{\"a\": 1}"));
    assert_eq!((p.kind, p.arguments.as_ref()), (CallKind::Custom, "*** x"));
    let [Part::ToolResult(second), Part::ToolResult(first)] = &request.turns[4].parts[..] else {
        panic!("{:?}", request.turns[4]);
    };
    assert_eq!((second.name.as_deref(), second.kind), (Some("p"), CallKind::Custom));
    assert_eq!((first.name.as_deref(), first.parts.len()), (Some("f"), 2));
    assert!(matches!(&request.turns[5].parts[..], [Part::Text(_), Part::Refusal(_)]));
    assert!(matches!(&request.turns[6].parts[..], [Part::Refusal(no)] if no == "Never."));
}

#[test]
fn deprecated_functions() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"Hi"},
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"done"}]}"#;
    let request = read(body).unwrap();
    let Part::ToolCall(call) = &request.turns[1].parts[0] else { panic!() };
    let Part::ToolResult(result) = &request.turns[2].parts[0] else { panic!() };
    assert_eq!(call.id, result.call);
    assert_eq!(result.name.as_deref(), Some("f"));
}

fn sealed(kind: SealKind, data: &'static str) -> Seal<'static> {
    Seal { issuer: "a/b".into(), kind, id: "".into(), data: data.into() }
}

#[test]
fn seals_come_back_in_the_ids_of_calls() {
    let thought = sealed(SealKind::Reasoning, "sig");
    let redacted = sealed(SealKind::Redacted, "red");
    let own = sealed(SealKind::Call, "call");
    let one = seal::wrap_id("c1", &[redacted.clone(), thought.clone(), own.clone()]);
    let two = seal::wrap_id("c2", std::slice::from_ref(&thought));
    let call =
        |id: &str| format!(r#"{{"id":"{id}","function":{{"name":"f","arguments":"{{}}"}}}}"#);
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","content":"So","reasoning_content":"Hm","tool_calls":[{},{}]}},{{"role":"tool","tool_call_id":"{one}","content":"r"}},{{"role":"tool","tool_call_id":"{two}","content":"r"}}]}}"#,
        call(&one),
        call(&two),
    );
    let request = read(&body).unwrap();
    let [
        Part::Reasoning(first),
        Part::Reasoning(second),
        Part::Text(so),
        Part::ToolCall(c1),
        Part::Reasoning(third),
        Part::ToolCall(c2),
    ] = &request.turns[0].parts[..]
    else {
        panic!("{:#?}", request.turns[0]);
    };
    assert_eq!((first.text.as_ref(), &first.seal), ("", &Some(redacted)));
    assert_eq!((second.text.as_ref(), &second.seal), ("Hm", &Some(thought.clone())));
    assert_eq!((third.text.as_ref(), &third.seal), ("", &Some(thought)));
    assert_eq!(so, "So");
    assert_eq!((c1.id.as_ref(), &c1.seal), ("c1", &Some(own)));
    assert_eq!((c2.id.as_ref(), &c2.seal), ("c2", &None));
    assert!(matches!(&request.turns[1].parts[0], Part::ToolResult(it) if it.call == "c1"));
    assert!(matches!(&request.turns[1].parts[1], Part::ToolResult(it) if it.call == "c2"));
}

#[test]
fn a_clients_own_seals_are_native() {
    let packed = seal::to_text(&[sealed(SealKind::Call, "late")]);
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"assistant","reasoning":"Hm","reasoning_details":[{{"data":"x"}}],"tool_calls":[{{"id":"c1","extra_content":{{"google":{{"thought_signature":"AA"}}}},"function":{{"name":"f","arguments":"{{}}"}}}},{{"id":"c2","extra_content":{{"google":{{"thought_signature":"{packed}"}}}},"function":{{"name":"f","arguments":"{{}}"}}}}]}}]}}"#
    );
    let request = read(&body).unwrap();
    let [Part::Reasoning(hm), Part::ToolCall(c1), Part::ToolCall(c2)] = &request.turns[0].parts[..]
    else {
        panic!("{:#?}", request.turns[0]);
    };
    let details = hm.seal.as_ref().unwrap();
    assert_eq!((details.kind, details.issuer.as_ref()), (SealKind::Details, seal::NATIVE));
    assert_eq!((hm.text.as_ref(), details.data.as_ref()), ("Hm", r#"[{"data":"x"}]"#));
    assert_eq!(c1.seal.as_ref().unwrap().issuer, seal::NATIVE);
    assert_eq!(c2.seal, Some(sealed(SealKind::Call, "late")));
}

#[test]
fn bad_requests_name_their_field() {
    for (body, field) in [
        ("", ""),
        ("{\"model\":\"x\", ", ""),
        ("[]", ""),
        ("\u{1}", ""),
        (r#"{"messages":[{"role":"user","content":"Hi"}]}"#, "model"),
        (r#"{"model":"m"}"#, "messages"),
        (r#"{"model":"m","messages":[]}"#, "messages"),
        (r#"{"model":"m","messages":17}"#, "messages"),
        (r#"{"model":5,"messages":[]}"#, "model"),
        (r#"{"model":"m","messages":[17]}"#, "messages.0"),
        (r#"{"model":"m","messages":[{"content":"Hi"}]}"#, "messages.0.role"),
        (r#"{"model":"m","messages":[{"role":"king","content":"Hi"}]}"#, "messages.0.role"),
        (r#"{"model":"m","messages":[{"role":"user"}]}"#, "messages.0.content"),
        (r#"{"model":"m","messages":[{"role":"user","content":5}]}"#, "messages.0.content"),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":[]}]}]}"#,
            "messages.0.content.0.text",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
            "messages.0.content.0.image_url",
        ),
        (
            r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/svg+xml,x"}}]}]}"#,
            "messages.0.content.0.image_url.url",
        ),
        (r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#, "messages.0.tool_call_id"),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f"}}]}]}"#,
            "messages.0.tool_calls.0.id",
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"c","function":{}}]}]}"#,
            "messages.0.tool_calls.0.function.name",
        ),
    ] {
        refuses(body, field);
    }
    for (fields, field) in [
        (r#""temperature":"hot""#, "temperature"),
        (r#""max_tokens":-1"#, "max_tokens"),
        (r#""stop":{"a":1}"#, "stop"),
        (r#""tools":[{"type":"function"}]"#, "tools.0.function"),
        (r#""tools":[{"type":"function","function":{"name":""}}]"#, "tools.0.function.name"),
        (r#""tool_choice":"sometimes""#, "tool_choice"),
        (r#""tool_choice":{"type":"function"}"#, "tool_choice"),
        (r#""reasoning_effort":"immense""#, "reasoning_effort"),
        (r#""verbosity":"endless""#, "verbosity"),
    ] {
        refuses(&with(fields), field);
    }
    assert_eq!(read("\u{FFFD}").unwrap_err().status, 400);
}

#[test]
fn unknown_content_is_refused_by_name() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[{"type":"hologram","data":1}]},{"role":"assistant","audio":{"id":"a"},"content":"x"}]}"#;
    let refused = read(body).unwrap().unsaid.refused;
    let fields: Vec<&str> = refused.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["messages.0.content.0", "messages.1.audio"]);
}

proptest! {
    #[test]
    fn no_body_breaks_it(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        at in 0..400_usize,
        byte in any::<u8>(),
    ) {
        let path = levity::dialects::Path::default();
        let _ = levity::dialects::openai_chat::request::parse(&bytes, path);
        let mut body = with(r#""tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"stop":["a"],"response_format":{"type":"json_object"}"#).into_bytes();
        if let Some(it) = body.get_mut(at) {
            *it = byte;
        }
        let _ = levity::dialects::openai_chat::request::parse(&body, path);
    }
}
