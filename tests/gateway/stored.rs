//! Responses that clients ask for again: by their id, and to go on from.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Reply, Request, get, post, request};
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

/// A response object with this status, of an account that keeps it or not.
fn background(status: &str, stored: bool) -> String {
    let output = match status {
        "completed" => {
            r#"{"id":"msg_1","type":"message","role":"assistant","content":[{"type":"output_text","text":"done"}]}"#
        }
        _ => "",
    };
    format!(
        r#"{{"id":"resp_bg","object":"response","status":"{status}","background":true,"store":{stored},"output":[{output}]}}"#
    )
}

fn in_background(stream: bool) -> Request {
    let body = json!({"model": MODEL, "input": "think", "background": true, "stream": stream});
    post("/v1/responses", body.to_string())
}

/// Goes through these states, one with each question.
async fn at_work(first: Answer, states: &'static [&'static str]) -> Upstream {
    let later = states.iter().map(|status| Answer::json(200, background(status, true)));
    Upstream::in_turn(std::iter::once(first).chain(later)).await
}

fn status(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["status"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_background_response_is_asked_of_its_account_until_it_is_over() {
    let dialect = Dialect::OpenAiResponses;
    let first = Answer::json(200, background("queued", true));
    let upstream = at_work(first, &["in_progress", "completed"]).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    assert_eq!(status(&gateway.send(&in_background(false)).await), "queued");

    let early = json!({"model": MODEL, "input": "and?", "previous_response_id": "resp_bg"});
    let early = gateway.send(&post("/v1/responses", early.to_string())).await;
    assert!(refused(dialect, 400, &early).contains("still in progress"), "{}", early.text());
    let resumed = gateway.send(&get("/v1/responses/resp_bg?stream=true")).await;
    assert!(refused(dialect, 400, &resumed).contains("without stream"), "{}", resumed.text());

    let ask = get("/v1/responses/resp_bg?include%5B%5D=reasoning.encrypted_content");
    assert_eq!(status(&gateway.send(&ask).await), "in_progress");
    let seen = upstream.seen().pop().unwrap();
    let target = "/v1/responses/resp_bg?include%5B%5D=reasoning.encrypted_content";
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", target));
    assert_eq!(seen.credential(), credential("only"));
    assert_eq!(status(&gateway.send(&ask).await), "completed");
    let again = gateway.send(&ask).await;
    assert_eq!(status(&again), "completed");
    assert!(again.text().contains("done"), "{}", again.text());
    assert_eq!(upstream.count(), 3, "what is over is answered from the store");
}

#[tokio::test]
async fn a_background_response_is_cancelled_at_its_account() {
    let first = Answer::json(200, background("queued", true));
    let upstream = at_work(first, &["cancelled", "cancelled"]).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiResponses, &upstream)).await;
    gateway.send(&in_background(false)).await;
    let cancel = post("/v1/responses/resp_bg/cancel", "");
    assert_eq!(status(&gateway.send(&cancel).await), "cancelled");
    let seen = upstream.seen().pop().unwrap();
    let asked = (seen.method.as_str(), seen.target.as_str());
    assert_eq!(asked, ("POST", "/v1/responses/resp_bg/cancel"));
    assert_eq!(status(&gateway.send(&get("/v1/responses/resp_bg")).await), "cancelled");
}

#[tokio::test]
async fn a_background_stream_that_breaks_off_can_be_asked_for() {
    let created = background("in_progress", true);
    let created = format!(
        "event: response.created\ndata: {{\"type\":\"response.created\",\"sequence_number\":0,\"response\":{created}}}\n\n"
    );
    let delta = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"output_index\":0,\"content_index\":0,\"item_id\":\"msg_1\",\"delta\":\"do\"}\n\n".to_owned();
    let upstream = at_work(Answer::sse([created, delta]), &["completed"]).await;
    let gateway = Gateway::start(&Config::one(Dialect::OpenAiResponses, &upstream)).await;
    let broken = gateway.send(&in_background(true)).await;
    assert!(broken.text().contains("response.created"), "{}", broken.text());
    assert_eq!(status(&gateway.send(&get("/v1/responses/resp_bg")).await), "completed");
    assert_eq!(status(&gateway.send(&get("/v1/responses/resp_bg")).await), "completed");
    assert_eq!(upstream.count(), 2);
}

#[tokio::test]
async fn what_the_account_says_of_a_background_response_is_told() {
    let dialect = Dialect::OpenAiResponses;
    for (status, told) in [(404, 404), (401, 502), (429, 429), (500, 500)] {
        let error = Answer::json(status, r#"{"error":{"message":"said","type":"x"}}"#);
        let first = Answer::json(200, background("queued", true));
        let upstream = Upstream::in_turn([first, error]).await;
        let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
        gateway.send(&in_background(false)).await;
        refused(dialect, told, &gateway.send(&get("/v1/responses/resp_bg")).await);
    }
    // An account that does not keep it has nothing to be asked for.
    let upstream = Upstream::always(Answer::json(200, background("queued", false))).await;
    let gateway = Gateway::start(&Config::one(dialect, &upstream)).await;
    gateway.send(&in_background(false)).await;
    refused(dialect, 404, &gateway.send(&get("/v1/responses/resp_bg")).await);
}
