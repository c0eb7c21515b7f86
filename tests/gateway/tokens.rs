//! The access tokens of Vertex accounts: one fetch for all, ahead of the end, and what a failing endpoint leads to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::gateway::{Account, Config, Gateway, Home};
use crate::support::google::{self, AUDIENCE, EMAIL, PROJECT, USER_SECRETS};
use crate::support::proxy::{Manner, Proxy, Speech};
use crate::support::samples;
use crate::support::script::{Answer, Gate, Seen};
use crate::support::upstream::{Upstream, nobody};
use crate::support::{eventually, soon};

const GEMINI: Dialect = Dialect::Gemini;
const MODEL: &str = "gemini-3-flash";

/// A second account, which serves the same model without a token.
fn second(upstream: &Upstream) -> Account {
    Account::new("second", GEMINI, &upstream.url()).set("dispatch", "fallback")
}

async fn answered(gateway: &Gateway) {
    let reply = gateway.send(&samples::call(GEMINI, MODEL)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Waits until the log says something.
async fn logged(gateway: &Gateway, words: &str) {
    eventually(words, || gateway.stderr().contains(words).then_some(())).await;
}

/// The assertion that an endpoint was shown.
fn assertion(seen: &Seen) -> String {
    let form = google::form(seen);
    assert_eq!(form[0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(form[1].0, "assertion");
    form[1].1.clone()
}

#[tokio::test]
async fn many_first_requests_wait_for_one_fetch() {
    let gate = Gate::closed();
    let slow = google::token(1, 3600).held_by(&gate);
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, Upstream::always(slow).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    let address = gateway.address;
    let clients: Vec<_> = (0..64)
        .map(|_| {
            tokio::spawn(async move {
                let mut connection =
                    crate::support::client::Connection::open(address).await.unwrap();
                connection.send(&samples::call(GEMINI, MODEL)).await.unwrap().status
            })
        })
        .collect();
    endpoint.reached(1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(upstream.count(), 0, "nothing goes out without a token");
    gate.open();
    for client in clients {
        assert_eq!(soon("an answer", client).await.unwrap(), 200);
    }
    assert_eq!((endpoint.count(), upstream.count()), (1, 64));
    assert!(upstream.credentials().iter().all(|token| token == "ya29.token-1"));
}

#[tokio::test]
async fn an_assertion_is_signed_by_the_service_account() {
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, google::endpoint(3600).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    answered(&gateway).await;
    let seen = endpoint.only();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/token"));
    let (header, claims) = google::verified(&assertion(&seen));
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "key-1" }));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(EMAIL), &json!(AUDIENCE)));
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    let time = |name: &str| claims[name].as_u64().unwrap();
    assert_eq!(time("exp") - time("iat"), 3600);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now - time("iat") < 60, "made now");
    for secret in ["ya29.token", "PRIVATE KEY"] {
        assert!(!gateway.stderr().contains(secret), "{}", gateway.stderr());
    }
}

#[tokio::test]
async fn a_user_shows_a_refresh_token() {
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, google::endpoint(3600).await);
    let account = google::account("vertex-1", &upstream, &endpoint)
        .set("credentials", google::authorized_user().to_string());
    let gateway = Gateway::start(&Config::new().account(account)).await;
    answered(&gateway).await;
    let form: Value =
        google::form(&endpoint.only()).into_iter().map(|(k, v)| (k, json!(v))).collect();
    let [client_secret, refresh_token] = USER_SECRETS;
    assert_eq!(
        form,
        json!({ "grant_type": "refresh_token", "client_secret": client_secret,
        "client_id": "me.apps.googleusercontent.com", "refresh_token": refresh_token })
    );
    assert_eq!(upstream.only().header("x-goog-user-project"), Some(PROJECT));
}

#[tokio::test]
async fn a_workload_asks_its_metadata_server_and_no_proxy() {
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, google::endpoint(3600).await);
    let proxy = Proxy::start(Speech::Connect, Manner::Open, upstream.address).await;
    let account = google::account("vertex-1", &upstream, &endpoint)
        .set("credentials", "metadata")
        .set("project", PROJECT)
        .set("token_url", Value::Null)
        .set("outbound_proxy", proxy.url("http"));
    let config =
        Config::new().account(account).env("GCE_METADATA_HOST", endpoint.address.to_string());
    answered(&Gateway::start(&config).await).await;
    let seen = endpoint.only();
    assert_eq!(seen.target, "/computeMetadata/v1/instance/service-accounts/default/token");
    assert_eq!((seen.method.as_str(), seen.header("metadata-flavor")), ("GET", Some("Google")));
    assert_eq!(proxy.asked(), [upstream.address.to_string()], "only the model is behind the proxy");
    assert_eq!(upstream.credentials(), ["ya29.token-1"]);
}

#[tokio::test]
async fn tokens_come_through_the_accounts_proxy() {
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, google::endpoint(3600).await);
    let proxy = Proxy::start(Speech::Connect, Manner::Open, endpoint.address).await;
    let account = google::account("vertex-1", &upstream, &endpoint)
        .set("token_url", "http://tokens.test/token");
    let usual = json!({ "url": proxy.url("http") });
    let config = Config::new().account(account).set("proxy", "outbound", usual);
    answered(&Gateway::start(&config).await).await;
    assert_eq!(proxy.asked(), ["tokens.test:80"]);
    assert_eq!(endpoint.only().headers.all("host"), ["tokens.test"]);
}

#[tokio::test]
async fn a_token_is_replaced_before_its_end_and_no_request_waits() {
    let gate = Gate::closed();
    let answers = [google::token(1, 8), google::token(2, 3600).held_by(&gate)];
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, Upstream::in_turn(answers).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    answered(&gateway).await;
    endpoint.reached(2).await;
    answered(&gateway).await;
    assert_eq!(upstream.credentials(), ["ya29.token-1", "ya29.token-1"]);
    gate.open();
    soon("the next token", async {
        while upstream.credentials().pop().unwrap() != "ya29.token-2" {
            answered(&gateway).await;
        }
    })
    .await;
    assert_eq!(endpoint.count(), 2);
}

#[tokio::test]
async fn a_replacement_that_fails_is_tried_again_and_hurts_nobody() {
    let failure = google::refusal(503, "temporarily_unavailable", "later");
    let answers = [google::token(1, 2), failure, google::token(2, 3600)];
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, Upstream::in_turn(answers).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    answered(&gateway).await;
    endpoint.reached(2).await;
    soon("the next token", async {
        while upstream.credentials().pop().unwrap() != "ya29.token-2" {
            answered(&gateway).await;
        }
    })
    .await;
    assert_eq!(endpoint.count(), 3);
}

#[tokio::test]
async fn an_idle_account_fetches_no_tokens() {
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, google::endpoint(1).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    answered(&gateway).await;
    // It was used, so it is replaced once.
    endpoint.reached(2).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(endpoint.count(), 2);
    answered(&gateway).await;
    assert_eq!(endpoint.count(), 3);
}

#[tokio::test]
async fn refused_credentials_take_the_account_out_until_they_change() {
    let upstream = Upstream::always(samples::good(GEMINI)).await;
    let no = google::refusal(400, "invalid_grant", "Invalid JWT Signature.");
    let endpoint = Upstream::in_turn([no, google::token(1, 3600)]).await;
    let config = Config::new()
        .account(google::account("vertex-1", &upstream, &endpoint))
        .account(second(&upstream));
    let gateway = Gateway::start(&config).await;
    for _ in 0..3 {
        answered(&gateway).await;
    }
    assert_eq!(endpoint.count(), 1, "refused credentials are not shown again");
    assert!(upstream.credentials().iter().all(|key| key.starts_with("sk-upstream-second")));
    logged(&gateway, "invalid_grant: Invalid JWT Signature.").await;
    logged(&gateway, "make a new one, put it where credentials says and reload").await;
    // The same credentials are no reason to ask again, others are.
    gateway.signal(Signal::SIGHUP);
    eventually("the reload", || gateway.stderr().contains("reloaded").then_some(())).await;
    answered(&gateway).await;
    assert_eq!(endpoint.count(), 1);
    let mut other = google::service_account();
    other["private_key_id"] = json!("key-2");
    let changed =
        google::account("vertex-1", &upstream, &endpoint).set("credentials", other.to_string());
    let changed = Home::with(&Config::new().account(changed).account(second(&upstream)));
    std::fs::copy(changed.config(), gateway.home.config()).unwrap();
    gateway.signal(Signal::SIGHUP);
    eventually("the reload", || (gateway.stderr().matches("reloaded").count() > 1).then_some(()))
        .await;
    answered(&gateway).await;
    assert_eq!(upstream.credentials().pop().unwrap(), "ya29.token-1");
}

#[tokio::test]
async fn alone_a_refused_account_says_what_to_do() {
    let upstream = Upstream::always(samples::good(GEMINI)).await;
    for (credentials, words, advice) in [
        (google::service_account(), "Invalid JWT Signature.", "make a new one"),
        (
            google::service_account(),
            "Token must be in a reasonable timeframe",
            "set this machine's clock right",
        ),
        (
            google::authorized_user(),
            "Token has been expired or revoked.",
            "gcloud auth application-default login",
        ),
    ] {
        let endpoint = Upstream::always(google::refusal(400, "invalid_grant", words)).await;
        let account = google::account("vertex-1", &upstream, &endpoint)
            .set("credentials", credentials.to_string());
        let gateway = Gateway::start(&Config::new().account(account)).await;
        let reply = gateway.send(&samples::call(GEMINI, MODEL)).await;
        let message = samples::refused(GEMINI, 502, &reply);
        assert!(message.contains(&format!("invalid_grant: {words}")), "{message}");
        assert!(message.contains(advice), "{message}");
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_leads_to_the_next_account() {
    let upstream = Upstream::always(samples::good(GEMINI)).await;
    for failure in [
        google::refusal(503, "temporarily_unavailable", "later"),
        google::refusal(429, "rate_limit_exceeded", "later"),
        Answer::json(200, "{}"),
        Answer::status(500),
        Answer::nothing().hang(),
        Answer::nothing().reset(),
    ] {
        let endpoint = Upstream::always(failure).await;
        let limits = json!({ "connect": "300ms", "first_byte": "300ms" });
        let config = Config::new()
            .account(google::account("vertex-1", &upstream, &endpoint))
            .account(second(&upstream))
            .set("proxy", "timeouts", limits);
        let gateway = Gateway::start(&config).await;
        for _ in 0..3 {
            answered(&gateway).await;
        }
        assert_eq!(endpoint.count(), 1, "a failing endpoint rests");
        logged(&gateway, "no access token").await;
    }
    let account = google::account("vertex-1", &upstream, &upstream)
        .set("token_url", format!("{}/token", nobody().await));
    let gateway = Gateway::start(&Config::new().account(account).account(second(&upstream))).await;
    answered(&gateway).await;
}

#[tokio::test]
async fn a_token_that_the_provider_refuses_is_fetched_anew() {
    let refusal =
        || samples::refusal(GEMINI, 401, "Request had invalid authentication credentials.");
    let revoked = Arc::new(AtomicBool::new(false));
    let script = {
        let revoked = Arc::clone(&revoked);
        move |seen: &Seen| match seen.credential().as_str() {
            "ya29.token-1" if revoked.load(Ordering::Relaxed) => refusal(),
            _ => samples::good(GEMINI),
        }
    };
    let (upstream, endpoint) = (Upstream::new(script).await, google::endpoint(3600).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    answered(&gateway).await;
    revoked.store(true, Ordering::Relaxed);
    answered(&gateway).await;
    assert_eq!(upstream.credentials(), ["ya29.token-1", "ya29.token-1", "ya29.token-2"]);
    // Where a new one is refused as well, that is the account's end.
    let upstream = Upstream::always(refusal()).await;
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    let reply = gateway.send(&samples::call(GEMINI, MODEL)).await;
    samples::refused(GEMINI, 401, &reply);
    assert_eq!(upstream.count(), 2);
    gateway.send(&samples::call(GEMINI, MODEL)).await;
    assert_eq!(upstream.count(), 2, "it is asked no more");
}

#[tokio::test]
async fn a_reload_keeps_the_token() {
    let (upstream, endpoint) =
        (Upstream::always(samples::good(GEMINI)).await, google::endpoint(3600).await);
    let config = Config::new().account(google::account("vertex-1", &upstream, &endpoint));
    let gateway = Gateway::start(&config).await;
    answered(&gateway).await;
    gateway.signal(Signal::SIGHUP);
    eventually("the reload", || gateway.stderr().contains("reloaded").then_some(())).await;
    answered(&gateway).await;
    assert_eq!(endpoint.count(), 1);
}
