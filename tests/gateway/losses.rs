//! What a translation leaves out of a request: told in a header and in the log, or refused.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::support::client::{Request, post};
use crate::support::gateway::{Config, Gateway};
use crate::support::samples::{self, MODEL};
use crate::support::upstream::Upstream;

/// A question with one more field than it needs, in each dialect's own place for settings.
fn question(dialect: Dialect, field: &str, value: Value) -> Request {
    let mut body = samples::body(dialect, MODEL);
    match dialect {
        Dialect::Gemini => body["generationConfig"][field] = value,
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => body[field] = value,
    }
    post(samples::path(dialect, MODEL), body.to_string())
}

fn place(dialect: Dialect, field: &str) -> String {
    match dialect {
        Dialect::Gemini => format!("generationConfig.{field}"),
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => field.to_owned(),
    }
}

fn pairs() -> impl Iterator<Item = (Dialect, Dialect)> {
    let of = |client| Dialect::ALL.into_iter().map(move |account| (client, account));
    Dialect::ALL.into_iter().flat_map(of)
}

#[tokio::test]
async fn a_misspelt_field_is_told_where_it_is_left_out() {
    for (client, account) in pairs() {
        let upstream = Upstream::always(samples::good(account)).await;
        let gateway = Gateway::start(&Config::one(account, &upstream).json_log()).await;
        let reply = gateway.send(&question(client, "temprature", json!(0.5))).await;
        assert_eq!(reply.status, 200, "{client} to {account}: {}", reply.text());
        let arrives = upstream.only().text().contains("temprature");
        assert_eq!(arrives, client == account, "{client} to {account}");
        let told = (!arrives).then(|| place(client, "temprature"));
        assert_eq!(reply.header("x-levity-dropped"), told.as_deref(), "{client} to {account}");
        let line = gateway.logged(&reply.headers).await;
        assert_eq!(line["dropped"].as_str(), told.as_deref(), "{client} to {account}");
    }
}

#[tokio::test]
async fn strict_refuses_whatever_would_be_left_out() {
    for (client, account) in pairs() {
        let upstream = Upstream::always(samples::good(account)).await;
        let config = Config::one(account, &upstream).set("proxy", "strict", true);
        let gateway = Gateway::start(&config).await;
        let reply = gateway.send(&question(client, "temprature", json!(0.5))).await;
        let refused = client != account;
        assert_eq!(reply.status, if refused { 400 } else { 200 }, "{client} to {account}");
        assert_eq!(upstream.seen().is_empty(), refused, "{client} to {account}");
        let named = reply.text().contains(&place(client, "temprature"));
        assert_eq!(named, refused, "{client} to {account}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_name_that_cannot_stand_in_a_header_is_told_as_others() {
    let upstream = Upstream::always(samples::good(Dialect::Anthropic)).await;
    let gateway = Gateway::start(&Config::one(Dialect::Anthropic, &upstream)).await;
    let odd = question(Dialect::OpenAiChat, "a\r\nx-evil: 1", json!(1));
    let reply = gateway.send(&odd).await;
    assert_eq!((reply.status, reply.header("x-levity-dropped")), (200, Some("others")));
    assert_eq!(reply.header("x-evil"), None);
}
