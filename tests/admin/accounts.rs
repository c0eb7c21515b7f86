//! Accounts listed, added, changed, removed, reset and tested over the admin API, and shown by `levity accounts`.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::harness::{self, Console};
use crate::support::client::{get, post};
use crate::support::gateway::{Account, Config, Gateway, credential, ended};
use crate::support::samples::{self, MODEL};
use crate::support::script::Answer;
use crate::support::soon;
use crate::support::upstream::Upstream;
use crate::written::{Written, home, refused, send};

const CHAT: Dialect = Dialect::OpenAiChat;

/// Two accounts as a person writes them.
const TEXT: &str = "\
proxy: { port: 0 }
accounts:
  # the first
  - name: first
    provider: custom   # of my own
    dialect: openai_chat
    base_url: http://127.0.0.1:1/v1
    # weight: 1        # its share

  # the second
  - name: second
    provider: custom
    dialect: anthropic
    base_url: http://127.0.0.1:1
    api_key: second-secret
";

/// The account of this name, as listed.
async fn account(console: &Console, name: &str) -> Value {
    let listed = console.read("/api/accounts").await;
    let mut accounts = listed["accounts"].as_array().unwrap().iter();
    accounts.find(|account| account["name"] == name).unwrap().clone()
}

/// The account `only`, once it has answered this often: its lease is settled after the client has its answer.
async fn served(console: &Console, times: u64) -> Value {
    soon("the lease's end", async {
        loop {
            let only = account(console, "only").await;
            if only["tally"]["served"] == times {
                return only;
            }
        }
    })
    .await
}

#[tokio::test]
async fn accounts_tell_how_they_are_configured_and_how_they_fare() {
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "60");
    let upstream = Upstream::in_turn([samples::good(CHAT), busy, samples::good(CHAT)]).await;
    let map = json!({ "z*": MODEL, "a*": MODEL });
    let only = Account::new("only", CHAT, &upstream.url()).set("weight", 3).set("model_map", map);
    let off = Account::new("off", CHAT, &upstream.url()).set("enabled", false);
    let (gateway, console) = harness::start(Config::new().account(only).account(off)).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    let only = served(&console, 1).await;
    assert_eq!(
        (&only["health"], &only["reason"], &only["until"]),
        (&json!("ok"), &Value::Null, &Value::Null)
    );
    assert_eq!(only["dialects"], json!(["openai_chat"]));
    assert_eq!(only["base_url"], format!("{}/v1", upstream.url()));
    assert_eq!(
        (&only["weight"], &only["has_key"], &only["from"]),
        (&json!(3), &json!(true), &json!("file"))
    );
    assert_eq!(only["model_map"], json!({ "z*": MODEL, "a*": MODEL }));
    assert_eq!(
        only["tally"],
        json!({ "leased": 1, "served": 1, "refused": 0, "limited": 0, "failed": 0 })
    );
    let (input, output) = samples::TOKENS;
    assert_eq!(only["tokens"], json!({ "input": input, "output": output, "cached": 0 }));
    assert_eq!(account(&console, "off").await["health"], "off");

    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 429);
    let only = account(&console, "only").await;
    let limited = if only["health"] == "ok" { only["resting_models"][0].clone() } else { only };
    assert_eq!(
        (&limited["health"], &limited["reason"]),
        (&json!("limited"), &json!("rate limit")),
        "{limited}"
    );
    assert!(limited["until"].as_str().unwrap().ends_with('Z'), "{limited}");

    let told = ended(gateway.home.command(&["accounts", "--console-port", &console.port()]));
    assert!(
        told.stdout.contains("limited: rate limit, ") && told.stdout.contains(" left\n"),
        "{told:?}"
    );

    let reset = console.send(post("/api/accounts/only/reset", "")).await;
    assert_eq!(
        (reset.status, &reset.json()["resting_models"], &reset.json()["health"]),
        (200, &json!([]), &json!("ok"))
    );
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    refused(&console.send(post("/api/accounts/none/reset", "")).await, 404);
    assert!(!console.read("/api/accounts").await.to_string().contains(&credential("only")));
}

#[tokio::test]
async fn an_account_is_added_changed_and_removed_in_the_file() {
    let written = Written::start(TEXT).await;
    let entry = json!({ "name": "third", "provider": "openai", "api_key": "sk-third-secret", "models": ["gpt-*"], "headers": { "x-a": "off" } });
    let added = written.post("/api/accounts", entry).await;
    assert_eq!(added.status, 201, "{}", added.text());
    assert_eq!(added.json()["base_url"], "https://api.openai.com/v1");
    assert!(!added.text().contains("third-secret"), "{}", added.text());
    let lines = "\n  - api_key: sk-third-secret\n    headers:\n      x-a: \"off\"\n    models: [\"gpt-*\"]\n    name: third\n    provider: openai\n";
    assert_eq!(written.text(), TEXT.to_owned() + lines);

    let changed =
        written.patch("/api/accounts/first", json!({ "weight": 4, "dispatch": "fallback" })).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(
        (&changed.json()["weight"], &changed.json()["dispatch"]),
        (&json!(4), &json!("fallback"))
    );
    assert!(
        written.text().contains("    # weight: 1        # its share\n    weight: 4\n"),
        "{}",
        written.text()
    );

    let renamed = written
        .patch("/api/accounts/second", json!({ "name": "2nd / account", "api_key": "other-key" }))
        .await;
    assert_eq!(renamed.json()["name"], "2nd / account", "{}", renamed.text());
    let back = written
        .patch("/api/accounts/2nd%20%2F%20account", json!({ "name": "second", "enabled": false }))
        .await;
    assert_eq!((&back.json()["name"], &back.json()["health"]), (&json!("second"), &json!("off")));

    for name in ["second", "third"] {
        assert_eq!(written.delete(&format!("/api/accounts/{name}")).await.status, 204);
    }
    let undone =
        written.patch("/api/accounts/first", json!({ "weight": null, "dispatch": null })).await;
    assert_eq!(undone.json()["dispatch"], "pooled", "{}", undone.text());
    assert_eq!(written.text(), TEXT[..TEXT.find("\n  # the second").unwrap()]);
    // A running gateway needs one.
    let last = written.delete("/api/accounts/first").await;
    assert!(refused(&last, 409).contains("there is no account to ask"), "{}", last.text());
    assert_eq!(written.post("/api/stop", json!({})).await.status, 200);
    assert_eq!(written.delete("/api/accounts/first").await.status, 204);
    assert_eq!(written.console.read("/api/accounts").await, json!({ "accounts": [] }));
}

#[expect(clippy::too_many_lines, reason = "a table")]
#[tokio::test]
async fn an_account_that_is_wrong_is_not_written() {
    let written = Written::start(TEXT).await;
    for (body, status, named) in [
        (json!({ "provider": "openai", "api_key": "k" }), 400, "accounts[2].name: is missing"),
        (
            json!({ "name": "x", "provider": "opneai", "api_key": "k" }),
            400,
            "did you mean \"openai\"?",
        ),
        (json!({ "name": "x", "provider": "openai" }), 400, "accounts[2].api_key: is missing"),
        (
            json!({ "name": "x", "provider": "openai", "api_key": "${NOT_SET_HERE}" }),
            400,
            "NOT_SET_HERE is not set",
        ),
        (
            json!({ "name": "x", "provider": "openai", "api_key": "a\nb" }),
            400,
            "accounts[2].api_key: has a character",
        ),
        (
            json!({ "name": "x", "provider": "custom", "dialect": "openai_chat" }),
            400,
            "accounts[2].base_url: is missing",
        ),
        (
            json!({ "name": "x", "provider": "openai", "api_key": "k", "wieght": 2 }),
            400,
            "did you mean \"weight\"?",
        ),
        (
            json!({ "name": "x", "provider": "openai", "api_key": "k", "models": [] }),
            400,
            "accounts[2].models: ",
        ),
        (
            json!({ "name": "é", "provider": "openai", "api_key": "k" }),
            400,
            "accounts[2].name: expected a name",
        ),
        (
            json!({ "name": "first", "provider": "openai", "api_key": "k" }),
            409,
            "another account is already named \"first\"",
        ),
        (
            json!({ "name": " first ", "provider": "openai", "api_key": "k" }),
            409,
            "another account",
        ),
    ] {
        let message = refused(&written.post("/api/accounts", body.clone()).await, status);
        assert!(message.contains(named), "{body}: {message}");
    }
    for (body, status, named) in [
        (json!({ "weight": 0 }), 400, "accounts[0].weight: expected a whole number from 1"),
        (json!({ "weight": "2" }), 400, "accounts[0].weight: "),
        (json!({ "name": null }), 400, "accounts[0].name: is missing"),
        (json!({ "name": "second" }), 409, "already named"),
        (json!({ "models": null, "base_url": "ftp://x" }), 400, "accounts[0].base_url: "),
        (json!({ "tally": {} }), 400, "unknown key \"accounts[0].tally\""),
        (json!({ "a.b": 1 }), 400, "unknown key"),
    ] {
        let message = refused(&written.patch("/api/accounts/first", body.clone()).await, status);
        assert!(message.contains(named), "{body}: {message}");
    }
    assert_eq!(written.text(), TEXT);
}

#[tokio::test]
async fn a_name_is_a_name_and_nothing_else() {
    let written = Written::start(TEXT).await;
    for name in [
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "first'%20OR%20'1'='1",
        "first;DROP%20TABLE%20requests",
        "first%00",
        "first%0aname:%20x",
        "0",
        "accounts%5B0%5D",
        "*",
        "%F0%9F%98%80",
    ] {
        refused(
            &written.patch(&format!("/api/accounts/{name}"), json!({ "weight": 2 })).await,
            404,
        );
        refused(&written.delete(&format!("/api/accounts/{name}")).await, 404);
        refused(&written.post(&format!("/api/accounts/{name}/test"), json!({})).await, 404);
    }
    refused(&written.delete("/api/accounts/%ff").await, 400);
    assert_eq!(written.text(), TEXT);
}

#[tokio::test]
async fn accounts_of_the_demo_are_not_the_files() {
    let home = home(&[]);
    let command = home.command(&["run", "--demo", "--port", "0"]);
    let gateway = Gateway::launch(home, command, Vec::new()).await;
    let console = Console::of(&gateway).await;
    assert_eq!(account(&console, "demo-gemini").await["from"], "demo");
    let patched =
        send(&console, "PATCH", "/api/accounts/demo-gemini", json!({ "weight": 2 })).await;
    assert!(refused(&patched, 409).contains("demo"));
    let removed = send(&console, "DELETE", "/api/accounts/demo-gemini", json!({})).await;
    assert!(refused(&removed, 409).contains("demo"));
    // An account of one's own stands before them.
    let entry = json!({ "name": "mine", "provider": "anthropic", "api_key": "mine-secret" });
    assert_eq!(send(&console, "POST", "/api/accounts", entry).await.status, 201);
    let changed = send(&console, "PATCH", "/api/accounts/mine", json!({ "weight": 2 })).await;
    assert_eq!((&changed.json()["weight"], &changed.json()["from"]), (&json!(2), &json!("file")));
    let taken = json!({ "name": "demo-gemini", "provider": "anthropic", "api_key": "k" });
    refused(&send(&console, "POST", "/api/accounts", taken).await, 409);
}

#[tokio::test]
async fn a_test_asks_that_account_alone() {
    for dialect in Dialect::ALL {
        let upstream = Upstream::new(move |seen| {
            if seen.credential() != credential("right") {
                let message = format!("no such key: {}", seen.credential());
                return samples::refusal(dialect, 401, &message);
            }
            if seen.method == "GET" {
                return Answer::json(200, r#"{"data":[{"id":"a"},{"id":"b"}]}"#);
            }
            samples::good(dialect)
        })
        .await;
        let wrong = Account::new("wrong", dialect, &upstream.url());
        let mapped = json!({ "other": MODEL });
        let right = Account::new("right", dialect, &upstream.url())
            .set("model_map", mapped)
            .set("enabled", dialect != CHAT);
        let (_gateway, console) = harness::start(Config::new().account(wrong).account(right)).await;
        let test = async |name: &str, body: Value| {
            let reply =
                console.send(post(format!("/api/accounts/{name}/test"), body.to_string())).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            reply.json()
        };
        let listed = test("right", json!({})).await;
        assert_eq!(
            (&listed["ok"], &listed["status"], &listed["model"]),
            (&json!(true), &json!(200), &Value::Null),
            "{listed}"
        );
        assert!(listed["message"].as_str().unwrap().contains("2 models"), "{listed}");
        assert!(listed["first_byte_ms"].as_u64() <= listed["total_ms"].as_u64(), "{listed}");

        let answered = test("right", json!({ "model": MODEL })).await;
        assert_eq!(
            (&answered["ok"], &answered["model"]),
            (&json!(true), &json!(MODEL)),
            "{answered}"
        );
        assert!(answered["message"].as_str().unwrap().contains("one two three"), "{answered}");
        if dialect != CHAT {
            assert_eq!(test("right", json!({ "model": "other" })).await["model"], MODEL);
        }

        let refused = test("wrong", json!({})).await;
        assert_eq!((&refused["ok"], &refused["status"]), (&json!(false), &json!(401)), "{refused}");
        assert_eq!(refused["message"], "no such key: •••");
        assert_eq!(account(&console, "wrong").await["tally"]["leased"], 0);
    }
}

#[tokio::test]
async fn a_test_says_what_went_wrong() {
    let upstream = Upstream::always(samples::refusal(CHAT, 404, "nothing here")).await;
    let lost = Account::new("lost", CHAT, &upstream.url());
    let nowhere = Account::new("nowhere", CHAT, "http://127.0.0.1:1");
    let (_gateway, console) = harness::start(Config::new().account(lost).account(nowhere)).await;
    let test = async |name: &str, body: &str| {
        console.send(post(format!("/api/accounts/{name}/test"), body.to_owned())).await
    };
    let outcome = test("lost", "{}").await.json();
    assert!(outcome["message"].as_str().unwrap().contains("name a model"), "{outcome}");
    let outcome = test("nowhere", "").await.json();
    assert_eq!(
        (&outcome["ok"], &outcome["status"], &outcome["first_byte_ms"]),
        (&json!(false), &Value::Null, &Value::Null)
    );
    assert!(
        outcome["message"].as_str().unwrap().starts_with("cannot connect to 127.0.0.1:1"),
        "{outcome}"
    );
    refused(&test("lost", r#"{"model": ""}"#).await, 400);
    refused(&test("lost", r#"{"modell": "x"}"#).await, 400);
}

#[tokio::test]
async fn models_say_who_serves_what() {
    let upstream =
        Upstream::always(Answer::json(200, r#"{"data":[{"id":"listed-1"},{"id":"other-1"}]}"#))
            .await;
    let one =
        Account::new("one", CHAT, &upstream.url()).set("models", json!(["listed-*", "named"]));
    let two = Account::new("two", CHAT, &upstream.url())
        .set("models", json!(["named"]))
        .set("model_map", json!({ "claude-*": "named" }));
    let config = Config::new().account(one).account(two).set(
        "models",
        "aliases",
        json!({ "gpt*": "named" }),
    );
    let (_gateway, console) = harness::start(config).await;
    assert_eq!(
        console.read("/api/models").await,
        json!({
            "aliases": [{ "pattern": "gpt*", "model": "named" }],
            "models": [{ "id": "listed-1", "accounts": ["one"] }, { "id": "named", "accounts": ["one", "two"] }],
            "patterns": [{ "account": "one", "pattern": "listed-*" }],
            "maps": [{ "account": "two", "pattern": "claude-*", "model": "named" }],
        })
    );
}

#[tokio::test]
async fn the_command_shows_a_table_or_json() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::two(CHAT, &upstream)).await;
    gateway.send(&samples::call(CHAT, MODEL)).await;
    let port = console.port();
    let told = ended(gateway.home.command(&["accounts", "--console-port", &port]));
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""), "{told:?}");
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(
        lines[0].starts_with("NAME    PROVIDER  HEALTH  IN FLIGHT  ANSWERED"),
        "{}",
        told.stdout
    );
    assert!(
        lines[1].starts_with("first   custom    ok")
            && lines[2].starts_with("second  custom    ok"),
        "{}",
        told.stdout
    );
    let json = ended(gateway.home.command(&["accounts", "--json", "--console-port", &port]));
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json, console.read("/api/accounts").await);
    assert_eq!(gateway.send(&get("/healthz")).await.status, 200);
}
