//! Responses that clients ask for again: by their id, and to go on from.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{get, post, request};
use crate::support::gateway::{Config, Gateway, credential};
use crate::support::samples::{self, MODEL, refused};
use crate::support::script::{Answer, Seen};
use crate::support::upstream::Upstream;

#[tokio::test]
async fn a_response_is_fetched_and_deleted_by_its_id() {
    let dialect = Dialect::OpenAiResponses;
    for upstream_dialect in [dialect, Dialect::Anthropic] {
        let upstream = Upstream::always(samples::good(upstream_dialect)).await;
        let gateway = Gateway::start(&Config::one(upstream_dialect, &upstream)).await;
        let reply = gateway.send(&samples::call(dialect, MODEL)).await;
        let given: Value = serde_json::from_str(&reply.text()).unwrap();
        let path = format!("/v1/responses/{}", given["id"].as_str().unwrap());
        let fetched = gateway.send(&get(path.clone())).await;
        assert_eq!(fetched.status, 200, "{}", fetched.text());
        assert_eq!(serde_json::from_str::<Value>(&fetched.text()).unwrap(), given);
        assert_eq!(gateway.send(&request("DELETE", path.clone())).await.status, 200);
        let gone = gateway.send(&get(path)).await;
        assert!(gone.status == 404 && gone.text().contains("\"error\""), "{}", gone.text());
        assert_eq!(upstream.count(), 1, "the gateway answers from what it remembers");
    }
}

#[tokio::test]
async fn a_conversation_goes_on_by_the_id_of_its_last_response() {
    let dialect = Dialect::OpenAiResponses;
    let upstream = Upstream::always(samples::good(Dialect::Anthropic)).await;
    let gateway = Gateway::start(&Config::one(Dialect::Anthropic, &upstream)).await;
    let turn = |input: &str, previous: &str| {
        let body = json!({"model": MODEL, "input": input, "previous_response_id": previous});
        post(samples::path(dialect, MODEL), body.to_string())
    };
    let first = gateway.send(&samples::call(dialect, MODEL)).await.text();
    let id = serde_json::from_str::<Value>(&first).unwrap()["id"].clone();
    let second = gateway.send(&turn("and then?", id.as_str().unwrap())).await;
    assert_eq!(second.status, 200, "{}", second.text());
    let answer: Value = serde_json::from_str(&second.text()).unwrap();
    assert_eq!(answer["previous_response_id"], id);
    let told = upstream.seen().pop().unwrap().text();
    assert!(told.contains("one two three") && told.contains("and then?"), "{told}");
    let unknown = gateway.send(&turn("and then?", "resp_unknown")).await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    assert!(unknown.text().contains("resp_unknown"), "{}", unknown.text());
}

/// An account that says that it keeps its answers.
async fn keeper(on_delete: impl Fn() -> Answer + Send + Sync + 'static) -> Upstream {
    Upstream::new(move |seen: &Seen| match seen.method.as_str() {
        "DELETE" => on_delete(),
        _ => Answer::json(
            200,
            r#"{"id":"resp_kept","object":"response","status":"completed","store":true,"output":[]}"#,
        ),
    })
    .await
}

#[tokio::test]
async fn what_an_account_keeps_too_is_deleted_there_first() {
    let dialect = Dialect::OpenAiResponses;
    for status in [200, 404] {
        let upstream = keeper(move || Answer::json(status, "{}")).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        assert_eq!(gateway.send(&samples::call(dialect, MODEL)).await.status, 200);
        let reply = gateway.send(&request("DELETE", "/v1/responses/resp_kept")).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let seen = upstream.seen().pop().unwrap();
        let asked = (seen.method.as_str(), seen.target.as_str());
        assert_eq!(asked, ("DELETE", "/v1/responses/resp_kept"));
        assert_eq!(seen.credential(), credential("only"));
        assert_eq!(gateway.send(&get("/v1/responses/resp_kept")).await.status, 404);
    }
}

#[tokio::test]
async fn what_its_account_does_not_delete_is_not_deleted() {
    let dialect = Dialect::OpenAiResponses;
    for failure in [(|| Answer::json(500, "{}")) as fn() -> Answer, || Answer::nothing().reset()] {
        let upstream = keeper(failure).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        assert_eq!(gateway.send(&samples::call(dialect, MODEL)).await.status, 200);
        let reply = gateway.send(&request("DELETE", "/v1/responses/resp_kept")).await;
        let message = refused(dialect, 502, &reply);
        assert!(message.contains("has not deleted it"), "{message}");
        assert_eq!(gateway.send(&get("/v1/responses/resp_kept")).await.status, 200);
    }
}
