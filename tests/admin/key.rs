//! The client key shown, changed and made anew over the admin API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Connection, get, post};
use crate::support::soon;
use crate::written::{Written, refused};

const ACCOUNT: &str = "accounts: [{ name: only, provider: custom, dialect: openai_chat, base_url: \"http://127.0.0.1:1/v1\" }]\n";

fn guarded(key: &str) -> String {
    format!("# mine\nproxy: {{ port: 0, auth_mode: all_except_health{key} }} # open\n{ACCOUNT}")
}

async fn status_with(written: &Written, key: &Value) -> u16 {
    let request = get("/v1/models").header("x-api-key", key.as_str().unwrap());
    written.gateway.send(&request).await.status
}

#[tokio::test]
async fn a_new_key_counts_at_once_and_the_old_one_no_more() {
    for (key, source) in [(", api_key: sk-0123456789", "config"), ("", "saved")] {
        let written = Written::start(&guarded(key)).await;
        let old = written.console.read("/api/key").await;
        assert_eq!(old["source"], source);
        assert_eq!(status_with(&written, &old["key"]).await, 200);

        let new = written.post("/api/key", json!({})).await.json();
        assert_eq!(new["source"], source);
        assert!(new["key"].as_str().unwrap().len() > 40, "{new}");
        assert_eq!(status_with(&written, &old["key"]).await, 401);
        assert_eq!(status_with(&written, &new["key"]).await, 200);

        let own = written.post("/api/key", json!({ "key": "sk-of-my-own" })).await.json();
        assert_eq!(own, json!({ "key": "sk-of-my-own", "source": source }));
        assert_eq!(status_with(&written, &new["key"]).await, 401);
        assert_eq!(status_with(&written, &own["key"]).await, 200);
        assert_eq!(written.console.read("/api/key").await, own);
        let expected = key.replace("sk-0123456789", "sk-of-my-own");
        assert_eq!(written.text(), guarded(&expected));
    }
}

#[tokio::test]
async fn a_client_that_leaves_does_not_leave_half_a_change() {
    let written = Written::start(&guarded("")).await;
    for _ in 0..10 {
        let token = format!("Bearer {}", written.console.token);
        let asked = post("/api/key", "{}").header("authorization", &token);
        let mut connection = Connection::open(written.console.address).await.unwrap();
        // Long enough to be asked, and too short for the answer.
        let wait = tokio::time::timeout(Duration::from_millis(2), connection.send(&asked));
        drop(wait.await);
        drop(connection);
    }
    // The last of them may still be at work.
    soon("the key that is shown is the one that counts", async {
        loop {
            let shown = written.console.read("/api/key").await["key"].clone();
            tokio::time::sleep(Duration::from_millis(50)).await;
            if status_with(&written, &shown).await == 200 {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() {
    let written = Written::start(&guarded(", api_key: sk-0123456789")).await;
    for (body, named) in [
        (json!({ "key": "0123456789" }), "key: must begin with sk-"),
        (json!({ "key": "sk-123456" }), "key: is too short"),
        (json!({ "key": "sk-1234 67890" }), "key: has a character"),
        (json!({ "key": "sk-12345é67890" }), "key: has a character"),
        (json!({ "key": 7 }), "invalid type"),
        (json!({ "kee": "sk-0123456789" }), "unknown field `kee`"),
    ] {
        let message = refused(&written.post("/api/key", body.clone()).await, 400);
        assert!(message.contains(named), "{body}: {message}");
    }
    assert_eq!(written.text(), guarded(", api_key: sk-0123456789"));
}

#[tokio::test]
async fn a_key_of_the_environment_is_the_environments() {
    for (key, variable) in [("", "LEVITY_API_KEY"), (", api_key: \"${MINE}\"", "MINE")] {
        let variables = [(variable, "sk-environment")];
        let written = Written::start_with(&guarded(key), &variables).await;
        let shown = written.console.read("/api/key").await;
        assert_eq!(shown["key"], "sk-environment");
        let message = refused(&written.post("/api/key", json!({})).await, 409);
        assert!(message.contains("LEVITY_API_KEY") || message.contains("${…}"), "{message}");
        assert_eq!(written.text(), guarded(key));
    }
}

#[tokio::test]
async fn with_auth_off_there_may_be_none_and_one_can_be_made() {
    let written = Written::start(&format!("proxy: {{ port: 0 }}\n{ACCOUNT}")).await;
    let none = written.console.read("/api/key").await;
    assert_eq!(none, json!({ "key": null, "source": "none" }));
    let made = written.post("/api/key", json!({})).await.json();
    assert_eq!(made["source"], "saved");
    // It is the one that counts when auth goes on.
    written.patch("/api/config", json!({ "proxy.auth_mode": "strict" })).await;
    assert_eq!(status_with(&written, &made["key"]).await, 200);
    assert_eq!(status_with(&written, &json!("sk-another-one")).await, 401);
}

#[tokio::test]
async fn a_key_that_cannot_be_put_to_work_is_not_kept() {
    let written = Written::start(&guarded("")).await;
    let old = written.console.read("/api/key").await;
    written.write("proxy: { prot: 1 }\n");
    let message = refused(&written.post("/api/key", json!({})).await, 400);
    assert!(message.contains("proxy.prot"), "{message}");
    assert_eq!(written.console.read("/api/key").await, old);
    assert_eq!(status_with(&written, &old["key"]).await, 200);
}
