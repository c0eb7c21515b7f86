//! What a request leans on, and the bodies that come of it.

use bytes::Bytes;
use levity::store::resolve::{Audience, Resolution, forgotten};
use proptest::prelude::*;
use serde_json::Value;

use super::support::*;

const TRANSLATION: Audience<'_> = Audience::Translation;

fn owned(by: &str) -> Resolution {
    Resolution::Owned { account: by.into() }
}

fn rebuilt(last: &str) -> Resolution {
    Resolution::Rebuilt { last: last.into() }
}

#[tokio::test]
async fn a_request_that_leans_on_nothing_is_not_touched() {
    let text = r#" {"model":"m", "input":[{"role":"user","content":"hi"}], "store":false }"#;
    let body = Bytes::copy_from_slice(text.as_bytes());
    let turn = turn(&memory(), &body).await.unwrap();
    assert_eq!(turn.resolution, Resolution::AsIs);
    assert_eq!(turn.body(TRANSLATION).as_ptr(), body.as_ptr());
    assert_eq!(turn.preferred(), None);
    assert!(turn.draft.is_none(), "store: false is not stored");
}

#[tokio::test]
async fn a_key_is_known_by_what_it_means() {
    let store = memory();
    exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m1", "b")), CLAUDE).await;
    let turn =
        request(&store, r#"{"previous_respons\u0065_id":"r1","inpu\u0074":"c"}"#).await.unwrap();
    assert_eq!(outline(&turn, TRANSLATION), ["a", "b", "c"]);
}

#[tokio::test]
async fn tools_and_reasoning_over_three_turns() {
    let store = memory();
    let call = r#"{"type":"reasoning","id":"rs_1","encrypted_content":"seal","summary":[]},{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{}"}"#;
    let first = r#"{"model":"m","instructions":"first","input":"start"}"#;
    exchange(&store, first, ("resp_1", call), CLAUDE).await;
    let result = r#"[{"type":"function_call_output","call_id":"call_1","output":"7"}]"#;
    exchange(&store, &going_on("resp_1", result), ("resp_2", &said("msg_1", "seven")), CLAUDE)
        .await;

    let third = r#"{"previous_response_id":"resp_2","temperature":1.0,"input":"and \"now\"?","instructions":"last"}"#;
    let turn = request(&store, third).await.unwrap();
    assert_eq!(turn.resolution, rebuilt("claude"));
    assert_eq!(turn.preferred(), Some("claude"));
    let start =
        r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"start"}]}"#;
    let now = r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"and \"now\"?"}]}"#;
    let result = result.trim_matches(['[', ']']);
    let seven = said("msg_1", "seven");
    assert_eq!(
        body(&turn, TRANSLATION),
        format!(
            r#"{{"temperature":1.0,"input":[{start},{call},{result},{seven},{now}],"instructions":"last"}}"#
        )
    );
}

#[tokio::test]
async fn a_conversation_forks() {
    let store = memory();
    exchange(&store, r#"{"input":"root"}"#, ("r1", &said("m1", "one")), CLAUDE).await;
    exchange(&store, &going_on("r1", r#""left""#), ("r2", &said("m2", "two")), CLAUDE).await;
    exchange(&store, &going_on("r1", r#""right""#), ("r3", &said("m3", "three")), CLAUDE).await;
    for (previous, words) in [("r2", ["left", "two"]), ("r3", ["right", "three"])] {
        let turn = request(&store, &going_on(previous, r#""x""#)).await.unwrap();
        let expected = ["root", "one", words[0], words[1], "x"];
        assert_eq!(outline(&turn, TRANSLATION), expected);
    }
}

#[tokio::test]
async fn what_is_not_known_is_named() {
    let store = memory();
    let error = request(&store, &going_on("resp_x", "[]")).await.unwrap_err();
    assert_eq!((error.status, error.code.as_deref()), (404, Some("previous_response_not_found")));
    assert_eq!(error.param.as_deref(), Some("previous_response_id"));
    assert_eq!(error.message, "Previous response with id 'resp_x' not found.");
    let body = r#"{"input":[{"type":"item_reference","id":"rs_x"}]}"#;
    let error = request(&store, body).await.unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (404, Some("input")));
    assert!(error.message.starts_with("Item with id 'rs_x' not found."), "{}", error.message);
    assert!(forgotten(&error), "what we say of it is understood as what OpenAI says");
}

#[tokio::test]
async fn a_deleted_response_ends_what_goes_on_from_it() {
    let store = memory();
    exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m1", "b")), CLAUDE).await;
    exchange(&store, &going_on("r1", r#""c""#), ("r2", &said("m2", "d")), CLAUDE).await;
    assert!(store.remove("r1").await.unwrap());
    assert!(!store.remove("r1").await.unwrap());
    for previous in ["r1", "r2"] {
        let error = request(&store, &going_on(previous, r#""e""#)).await.unwrap_err();
        assert_eq!(error.message, "Previous response with id 'r1' not found.", "{previous}");
    }
    let cited = r#"{"input":[{"type":"item_reference","id":"m1"}]}"#;
    assert_eq!(request(&store, cited).await.unwrap_err().status, 404);
}

#[tokio::test]
async fn references_are_replaced_where_they_stand() {
    let store = memory();
    let call =
        r#"{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{}"}"#;
    exchange(&store, r#"{"input":[{"role":"user","content":"ask"}]}"#, ("r1", call), CLAUDE).await;
    let body_of = |items: &str| format!(r#"{{"input":[{items}],"model":"m"}}"#);
    let asked = body_of(
        r#"{"id":"msg_0_r1"},{"type":"item_reference","id":"fc_1"}, {"type":"function_call_output","call_id":"call_1","output":"x"}"#,
    );
    let turn = request(&store, &asked).await.unwrap();
    let whole = body_of(&format!(
        r#"{{"role":"user","content":"ask"}},{call},{{"type":"function_call_output","call_id":"call_1","output":"x"}}"#
    ));
    assert_eq!(body(&turn, TRANSLATION), whole);
    // What is remembered of it leans on nothing, and outlives what was cited.
    store.keep(record(&turn, "r2", &said("m2", "done"), CLAUDE, 1000));
    store.remove("r1").await.unwrap();
    let next = request(&store, &going_on("r2", r#""next""#)).await.unwrap();
    assert_eq!(outline(&next, TRANSLATION), ["ask", "call_1", "call_1", "done", "next"]);
}

const THOUGHT: &str = r#"{"type":"reasoning","id":"rs_1","encrypted_content":"gAAA","summary":[]},{"type":"function_call","id":"fc_1","call_id":"call_1"}"#;

#[tokio::test]
async fn the_owner_gets_the_body_as_it_came_and_others_a_whole_one() {
    let store = memory();
    exchange(&store, r#"{"input":"a"}"#, ("r1", THOUGHT), OPENAI).await;
    let asked = going_on("r1", r#"[{"type":"function_call_output","call_id":"call_1"}]"#);
    let turn = request(&store, &asked).await.unwrap();
    assert_eq!(turn.resolution, owned("openai-1"));
    assert_eq!(body(&turn, Audience::Account("openai-1")), asked);

    assert_eq!(outline(&turn, TRANSLATION), ["a", "gAAA", "call_1", "call_1"]);
    let elsewhere = input(&turn, Audience::Account("openai-2"));
    assert_eq!(outline(&turn, Audience::Account("openai-2")), ["a", "call_1", "call_1"]);
    assert_eq!(elsewhere[1]["id"], Value::Null, "an id would ask for the reasoning");

    // It may have forgotten: then it gets the whole, with the reasoning that it can read.
    let again = turn.rebuilt(Audience::Account("openai-1"));
    let again: Value = serde_json::from_slice(&again).unwrap();
    assert_eq!(again["input"][1]["encrypted_content"], "gAAA");
    assert_eq!(again["input"][2]["id"], "fc_1");
}

#[tokio::test]
async fn reasoning_without_proof_is_worth_nothing_in_a_whole_body() {
    let store = memory();
    let bare = r#"{"type":"reasoning","id":"rs_1","summary":[]}"#;
    let output = format!("{bare},{}", said("m1", "b"));
    exchange(&store, r#"{"input":"a"}"#, ("r1", &output), OPENAI).await;
    let turn = request(&store, &going_on("r1", r#""c""#)).await.unwrap();
    let again: Value =
        serde_json::from_slice(&turn.rebuilt(Audience::Account("openai-1"))).unwrap();
    assert_eq!(again["input"].as_array().unwrap().len(), 3);
    assert_eq!(again["input"][1]["id"], Value::Null);
}

#[tokio::test]
async fn several_owners_are_none() {
    let store = memory();
    exchange(&store, r#"{"input":"a"}"#, ("r1", THOUGHT), OPENAI).await;
    exchange(&store, r#"{"input":"b"}"#, ("r2", &said("m2", "c")), OTHER_OPENAI).await;
    let cited = |id: &str| format!(r#"{{"type":"item_reference","id":"{id}"}}"#);
    let asked = going_on("r2", &format!("[{},{}]", cited("rs_1"), cited("fc_1")));
    let turn = request(&store, &asked).await.unwrap();
    assert_eq!(turn.resolution, rebuilt("openai-2"));
    assert_eq!(outline(&turn, Audience::Account("openai-1")), ["b", "c", "gAAA", "call_1"]);
    assert_eq!(outline(&turn, Audience::Account("openai-2")), ["b", "c", "call_1"]);
    assert_eq!(input(&turn, Audience::Account("openai-2"))[2]["id"], Value::Null);

    // One owner of all of it; then an id that only the gateway knows.
    for (id, resolution) in [("fc_1", owned("openai-1")), ("msg_0_r1", rebuilt("openai-1"))] {
        let asked = going_on("r1", &format!("[{}]", cited(id)));
        assert_eq!(request(&store, &asked).await.unwrap().resolution, resolution, "{id}");
    }
}

#[tokio::test]
async fn what_was_packed_for_another_dialect_is_not_sent_as_it_is() {
    let store = memory();
    let packed = levity::ir::seal::to_text(&[]);
    let thought = format!(r#"{{"type":"reasoning","id":"rs","encrypted_content":"{packed}"}}"#);
    exchange(&store, r#"{"input":"a"}"#, ("r1", &thought), CLAUDE).await;
    // The client replays it inline to an account that speaks Responses, which then remembers it.
    let inline = going_on("r1", &format!("[{thought}]"));
    exchange(&store, &inline, ("r2", &said("m", "b")), OPENAI).await;
    let turn = request(&store, &going_on("r2", r#""c""#)).await.unwrap();
    assert_eq!(outline(&turn, TRANSLATION), ["a", &packed, &packed, "b", "c"]);
    assert_eq!(outline(&turn, Audience::Account("openai-2")), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_compaction_is_for_those_who_have_not_got_the_whole() {
    let store = memory();
    let compaction = r#"{"type":"compaction","id":"cmp_1","encrypted_content":"gBBB"}"#;
    let output = format!("{compaction},{}", said("m", "b"));
    exchange(&store, r#"{"input":"a"}"#, ("r1", &output), OPENAI).await;
    let replayed = going_on("r1", &format!("[{compaction}]"));
    let turn = request(&store, &replayed).await.unwrap();
    for audience in [TRANSLATION, Audience::Account("openai-2")] {
        assert_eq!(
            outline(&turn, audience),
            ["a", "b", "gBBB"],
            "what the client says itself stays"
        );
    }
}

#[tokio::test]
async fn a_server_that_gives_every_response_the_same_id() {
    let store = memory();
    exchange(&store, r#"{"input":"a"}"#, ("same", &said("m", "b")), CLAUDE).await;
    exchange(&store, &going_on("same", r#""c""#), ("same", &said("m", "d")), CLAUDE).await;
    let turn = request(&store, &going_on("same", r#""e""#)).await.unwrap();
    assert_eq!(outline(&turn, TRANSLATION), ["a", "b", "c", "d", "e"]);
}

#[tokio::test]
async fn a_conversation_larger_than_a_body_may_be_is_refused() {
    let store = memory();
    let long = "x".repeat(MOST * 2 / 7);
    let mut previous = String::new();
    for (place, next) in ["r1", "r2", "r3"].into_iter().enumerate() {
        let input = format!(r#""{long}""#);
        let asked = if place == 0 {
            format!(r#"{{"input":{input}}}"#)
        } else {
            going_on(&previous, &input)
        };
        exchange(&store, &asked, (next, &said("m", "b")), CLAUDE).await;
        previous = next.to_owned();
    }
    let more = going_on("r3", &format!(r#""{long}""#));
    let error = request(&store, &more).await.unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (413, Some("previous_response_id")));
    assert!(request(&store, &going_on("r3", r#""x""#)).await.is_ok());
}

#[tokio::test]
async fn odd_bodies() {
    let store = memory();
    exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m", "b")), CLAUDE).await;
    for (asked, expected) in [
        (r#"{"previous_response_id":"r1"}"#, &["a", "b"][..]),
        (r#"{"previous_response_id":"r1","input":[ ]}"#, &["a", "b"]),
        (r#"{"previous_response_id":"r1","input":null}"#, &["a", "b"]),
        (
            r#"{"input":"no","previous_response_id":"x","input":"c","previous_response_id":"r1"}"#,
            &["a", "b", "c"],
        ),
    ] {
        let turn = request(&store, asked).await.unwrap();
        assert_eq!(outline(&turn, TRANSLATION), expected, "{asked}");
    }
    let empty = r#"{"previous_response_id":"r1"}"#;
    exchange(&store, empty, ("r2", ""), CLAUDE).await;
    let turn = request(&store, &going_on("r2", r#""c""#)).await.unwrap();
    assert_eq!(outline(&turn, TRANSLATION), ["a", "b", "c"]);
}

#[tokio::test]
async fn a_refused_field() {
    let error = request(&memory(), r#"{"previous_response_id":[]}"#).await.unwrap_err();
    assert_eq!((error.status, error.param.as_deref()), (400, Some("previous_response_id")));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\\u{e9}{}\\[\\],:]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let keys = prop_oneof![
            Just("type".to_owned()),
            Just("id".to_owned()),
            Just("role".to_owned()),
            Just("content".to_owned()),
            "[a-z\"]{0,4}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the items are, a rebuilt body holds them all, unchanged and in order.
    #[test]
    fn a_rebuilt_body_holds_every_item(
        first in prop::collection::vec(json(), 0..4),
        output in prop::collection::vec(json(), 0..4),
        second in prop::collection::vec(json(), 0..4),
        extra in json(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = memory();
            let asked = serde_json::json!({"input": first, "extra": extra}).to_string();
            // A reference in it is not known; that is another test's business.
            let Ok(turn) = request(&store, &asked).await else { return };
            let answer = Value::from(output.clone()).to_string();
            store.keep(record(&turn, "r1", &answer[1..answer.len() - 1], CLAUDE, 1));
            let asked = serde_json::json!({
                "previous_response_id": "r1", "input": second, "extra": extra,
            });
            let Ok(turn) = request(&store, &asked.to_string()).await else { return };
            let body: Value = serde_json::from_str(&body(&turn, TRANSLATION)).unwrap();
            let all: Vec<Value> = first.into_iter().chain(output).chain(second).collect();
            assert_eq!(body, serde_json::json!({"input": all, "extra": extra}));
        });
    }

    #[test]
    fn no_body_makes_it_panic(
        bytes: Vec<u8>,
        text in "\\{(\"(input|id|store|previous_response_id|type)\":|\"r1\"|\"item_reference\"|[\\[\\]{}\",:\\\\a 1])*",
        value in json(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = memory();
            exchange(&store, r#"{"input":"a"}"#, ("r1", THOUGHT), OPENAI).await;
            let input = format!(r#"{{"previous_response_id":"r1","input":{value}}}"#);
            for body in [bytes, text.into_bytes(), input.into_bytes()] {
                if let Ok(turn) = turn(&store, &Bytes::from(body)).await {
                    for audience in [TRANSLATION, Audience::Account("openai-1"), Audience::Account("x")] {
                        let _ = (turn.body(audience), turn.rebuilt(audience));
                    }
                }
            }
        });
    }
}
