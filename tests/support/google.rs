//! Google's side of a Vertex account: credentials, and an endpoint that gives tokens for them.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use serde_json::{Value, json};

use super::gateway::Account;
use super::script::{Answer, Seen};
use super::upstream::Upstream;

/// A key of the test's own: making one takes a while.
static KEY: LazyLock<PKey<Private>> =
    LazyLock::new(|| PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap());

/// For whom assertions are made, whatever the endpoint that they are sent to.
pub(crate) const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
pub(crate) const EMAIL: &str = "robot@my-project.iam.gserviceaccount.com";
/// The project of the credentials.
pub(crate) const PROJECT: &str = "my-project";
/// The secrets of a user's credentials.
pub(crate) const USER_SECRETS: [&str; 2] = ["GOCSPX-client-secret", "1//refresh-token"];

/// The key file of a service account.
pub(crate) fn service_account() -> Value {
    let pem = String::from_utf8(KEY.private_key_to_pem_pkcs8().unwrap()).unwrap();
    json!({ "type": "service_account", "project_id": PROJECT, "private_key_id": "key-1",
        "private_key": pem, "client_email": EMAIL, "client_id": "1", "token_uri": AUDIENCE })
}

/// What `gcloud auth application-default login` leaves.
pub(crate) fn authorized_user() -> Value {
    let [client_secret, refresh_token] = USER_SECRETS;
    json!({ "type": "authorized_user", "client_id": "me.apps.googleusercontent.com",
        "client_secret": client_secret, "refresh_token": refresh_token,
        "quota_project_id": PROJECT })
}

/// A Vertex account of the service account, at `upstream`, with tokens from `endpoint`.
pub(crate) fn account(name: &str, upstream: &Upstream, endpoint: &Upstream) -> Account {
    Account::of("vertex", name, &upstream.url())
        .set("api_key", Value::Null)
        .set("credentials", service_account().to_string())
        .set("token_url", format!("{}/token", endpoint.url()))
        .set("region", "us-east5")
}

/// An endpoint whose tokens live for so many seconds: `ya29.token-1`, then `ya29.token-2` …
pub(crate) async fn endpoint(seconds: u64) -> Upstream {
    let count = AtomicUsize::new(0);
    Upstream::new(move |_| token(count.fetch_add(1, Ordering::Relaxed) + 1, seconds)).await
}

/// The answer with the token of this number.
pub(crate) fn token(number: usize, seconds: u64) -> Answer {
    let token = json!({ "access_token": format!("ya29.token-{number}"), "expires_in": seconds,
        "token_type": "Bearer" });
    Answer::json(200, token.to_string())
}

/// An endpoint's refusal.
pub(crate) fn refusal(status: u16, error: &str, description: &str) -> Answer {
    let body = json!({ "error": error, "error_description": description });
    Answer::json(status, body.to_string())
}

/// The fields of a form.
pub(crate) fn form(seen: &Seen) -> Vec<(String, String)> {
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    url::form_urlencoded::parse(&seen.body).into_owned().collect()
}

/// The header and claims of an assertion; fails the test when the service account's key did not sign it.
pub(crate) fn verified(assertion: &str) -> (Value, Value) {
    let (said, signature) = assertion.rsplit_once('.').unwrap();
    let (header, claims) = said.split_once('.').unwrap();
    let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let public = PKey::public_key_from_pem(&KEY.public_key_to_pem().unwrap()).unwrap();
    let mut verifier = Verifier::new(MessageDigest::sha256(), &public).unwrap();
    assert!(verifier.verify_oneshot(&decoded(signature), said.as_bytes()).unwrap(), "signature");
    let json = |text: &str| serde_json::from_slice(&decoded(text)).unwrap();
    (json(header), json(claims))
}
