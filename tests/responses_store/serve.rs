//! `/v1/responses/{id}` and the paths below it, and what the captured answer has to do with them.

use bytes::Bytes;
use http::Method;
use levity::ir::error::Error;
use levity::store::Store;
use levity::store::capture::Capture;
use levity::store::serve::{self, Question};
use serde_json::Value;

use super::support::*;

async fn ask(store: &Store, method: Method, path: &str) -> Result<Value, Error> {
    let (path, query) =
        path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let body = serve::answer(store, Question { method: &method, path, query }, MOST).await?;
    Ok(serde_json::from_slice(&body).unwrap())
}

async fn ids(store: &Store, path: &str) -> (Vec<String>, bool) {
    let page = ask(store, Method::GET, path).await.unwrap();
    assert_eq!(page["object"], "list");
    let data = page["data"].as_array().unwrap();
    assert_eq!(page["first_id"], data.first().map_or(Value::Null, |item| item["id"].clone()));
    assert_eq!(page["last_id"], data.last().map_or(Value::Null, |item| item["id"].clone()));
    let ids = data.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
    (ids, page["has_more"].as_bool().unwrap())
}

async fn conversation() -> Store {
    let store = memory();
    exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m1", "b")), CLAUDE).await;
    let two = r#"[{"role":"user","content":"c"},{"type":"message","id":"own","role":"user","content":[]}]"#;
    exchange(&store, &going_on("r1", two), ("r2", &said("m2", "d")), CLAUDE).await;
    store
}

#[tokio::test]
async fn a_response_is_given_back_as_it_was_sent() {
    let store = memory();
    let turn = request(&store, r#"{"input":"a","stream":true}"#).await.unwrap();
    let response = r#"{"id":"resp_1","object":"response","status":"completed","output":[],"usage":{"total_tokens":1}}"#;
    let stream = format!(
        "event: response.created\ndata: {{\"type\":\"response.created\"}}\n\nevent: response.completed\ndata: {{\"type\":\"response.completed\",\"response\":{response}}}\n\n"
    );
    let mut capture = Capture::stream();
    let answer = capture.push(&Bytes::from(stream)).expect("the terminal event ends it");
    store.keep(turn.draft.unwrap().record(answer, CLAUDE, 1).unwrap());
    let given = serve::answer(
        &store,
        Question { method: &Method::GET, path: "resp_1", query: Some("include[]=x") },
        MOST,
    );
    assert_eq!(given.await.unwrap(), response);
    assert_eq!(ask(&store, Method::GET, "resp%5F1").await.unwrap()["id"], "resp_1");
}

#[tokio::test]
async fn it_names_the_response_that_it_goes_on_from() {
    let store = conversation().await;
    let given = ask(&store, Method::GET, "r2").await.unwrap();
    assert_eq!(given["previous_response_id"], "r1");
}

#[tokio::test]
async fn delete_and_then_nothing() {
    let store = conversation().await;
    let deleted = ask(&store, Method::DELETE, "r2").await.unwrap();
    let expected = serde_json::json!({"id": "r2", "object": "response.deleted", "deleted": true});
    assert_eq!(deleted, expected);
    for (method, path) in [
        (Method::GET, "r2"),
        (Method::DELETE, "r2"),
        (Method::GET, "r2/input_items"),
        (Method::POST, "r2/cancel"),
    ] {
        let error = ask(&store, method, path).await.unwrap_err();
        assert_eq!(
            (error.status, &*error.message),
            (404, "Response with id 'r2' not found."),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_said() {
    let store = conversation().await;
    for (method, path, status, words) in [
        (Method::POST, "r1/cancel", 400, "Cannot cancel"),
        (Method::GET, "r1?stream=true", 400, "cannot be streamed"),
        (Method::GET, "r1/input_items?limit=0", 400, "limit"),
        (Method::GET, "r1/input_items?limit=101", 400, "limit"),
        (Method::GET, "r1/input_items?order=up", 400, "order"),
        (Method::GET, "r1/input_items?after=x", 404, "'x'"),
        (Method::GET, "r1/other", 404, "r1/other"),
        (Method::PUT, "r1", 404, "r1"),
    ] {
        let error = ask(&store, method, path).await.unwrap_err();
        assert_eq!(error.status, status, "{path}");
        assert!(error.message.contains(words), "{path}: {}", error.message);
    }
}

#[tokio::test]
async fn input_items_are_what_the_model_was_given() {
    let store = conversation().await;
    let all = ["msg_0_r1", "m1", "msg_0_r2", "own"];
    let newest_first: Vec<&str> = all.iter().rev().copied().collect();
    assert_eq!(ids(&store, "r1/input_items").await.0, ["msg_0_r1"]);
    assert_eq!(ids(&store, "r2/input_items?order=asc&include[]=x").await.0, all);
    assert_eq!(ids(&store, "r2/input_items").await.0, newest_first);
    let page = ask(&store, Method::GET, "r2/input_items?order=asc&limit=3").await.unwrap();
    assert_eq!(page["data"][2]["content"][0]["text"], "c");
    assert_eq!(page["data"][2]["type"], "message");
}

#[tokio::test]
async fn input_items_page_by_page() {
    let store = conversation().await;
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let (ids, has_more) = ids(&store, &format!("r2/input_items?limit=1&after={after}")).await;
        after = ids.last().unwrap().clone();
        seen.extend(ids);
        if !has_more {
            break;
        }
    }
    assert_eq!(seen, ["own", "msg_0_r2", "m1", "msg_0_r1"]);
    assert_eq!(ids(&store, &format!("r2/input_items?after={after}")).await, (vec![], false));
}
