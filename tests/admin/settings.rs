//! The configuration read and changed over the admin API.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::Console;
use crate::support::client::get;
use crate::support::gateway::Gateway;
use crate::written::{Written, home, refused, send};

/// A file as a person writes it.
const TEXT: &str = "\
# mine
proxy:
  port: 0        # any
  auth_mode: off # for now

  api_key: sk-0123456789-secret
  timeouts: { idle: 60s }   # short

accounts:
  # the only one
  - name: only
    provider: custom
    dialect: openai_chat
    base_url: http://127.0.0.1:1/v1
    api_key: account-secret-key
    headers: { x-team: header-secret }
";

#[tokio::test]
async fn the_config_is_shown_without_its_secrets() {
    let written = Written::start_with(TEXT, &[("LEVITY_STRICT", "1")]).await;
    let config = written.console.read("/api/config").await;
    assert_eq!(config["path"], written.gateway.home.config().to_str().unwrap());
    assert_eq!(config["writable"], true);
    let text = config["text"].as_str().unwrap();
    assert!(text.contains("  port: 0        # any\n") && text.contains("api_key: •••"), "{text}");
    for secret in ["sk-0123456789-secret", "account-secret-key", "header-secret"] {
        assert!(!config.to_string().contains(secret), "{config}");
    }
    let values = &config["values"];
    assert_eq!(values["proxy"]["auth_mode"], "off");
    assert_eq!(
        values["proxy"]["timeouts"],
        json!({ "connect": "10s", "first_byte": "5m", "idle": "1m", "drain": "10m" })
    );
    assert_eq!(values["proxy"]["max_body"], "64MiB");
    assert_eq!(values["proxy"]["strict"], true);
    assert_eq!(values["pool"]["scheduling"], "cache_first");
    assert_eq!(
        values["monitor"]["retention"],
        json!({ "days": 30, "rows": 100_000, "size": "512MiB" })
    );
    assert_eq!(values["models"]["aliases"], json!({}));
    let overridden = json!({ "proxy.strict": "LEVITY_STRICT", "console.enabled": "LEVITY_CONSOLE_ENABLED", "console.port": "LEVITY_CONSOLE_PORT" });
    assert_eq!(config["overridden"], overridden);
}

#[tokio::test]
async fn a_change_is_at_work_at_once_and_comments_stay() {
    let written = Written::start(TEXT).await;
    let mode = |mode| std::fs::Permissions::from_mode(mode);
    std::fs::set_permissions(written.gateway.home.config(), mode(0o640)).unwrap();
    let asked = json!({
        "proxy.auth_mode": "strict",
        "proxy.timeouts.idle": "90s",
        "pool.max_attempts": 5,
        "models.aliases": { "gpt-4o*": "gemini-3-flash" },
    });
    let answer = written.patch("/api/config", asked).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["status"]["proxy"]["effective_auth"], "strict");
    assert_eq!(answer["config"]["values"]["pool"]["max_attempts"], 5);
    assert_eq!(written.gateway.send(&get("/healthz")).await.status, 401);
    let expected = TEXT
        .replace("auth_mode: off # for", "auth_mode: strict # for")
        .replace("idle: 60s", "idle: 90s")
        + "models:\n  aliases:\n    \"gpt-4o*\": gemini-3-flash\npool:\n  max_attempts: 5\n";
    assert_eq!(written.text(), expected);
    let meta = std::fs::metadata(written.gateway.home.config()).unwrap();
    assert_eq!(meta.permissions().mode() & 0o777, 0o640);

    // And back to the defaults.
    let asked =
        json!({ "proxy.auth_mode": null, "pool.max_attempts": null, "models.aliases": null });
    let answer = written.patch("/api/config", asked).await.json();
    assert_eq!(answer["config"]["values"]["proxy"]["auth_mode"], "auto");
    assert_eq!(answer["config"]["values"]["models"]["aliases"], json!({}));
    assert!(written.text().contains("  # auth_mode: for now\n"), "{}", written.text());
    assert_eq!(written.gateway.send(&get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn nothing_is_written_when_anything_is_wrong() {
    let written = Written::start(TEXT).await;
    for (asked, named) in [
        (
            json!({ "proxy.auth_mode": "strict", "proxy.port": 70000 }),
            "proxy.port: expected a whole number",
        ),
        (json!({ "proxy.port": "8050" }), "proxy.port: expected"),
        (json!({ "proxy.prot": 1 }), "\"proxy.prot\"; did you mean \"port\"?"),
        (json!({ "proxy.auth_mode": "none" }), "proxy.auth_mode: expected off, strict"),
        (json!({ "proxy.auth_mode": true }), "proxy.auth_mode: expected"),
        (json!({ "proxy.timeouts.idle": 5 }), "proxy.timeouts.idle: expected a duration"),
        (json!({ "proxy.timeouts": { "idle": "5s" } }), "proxy.timeouts: expected a single value"),
        (json!({ "proxy": null }), "proxy: no such setting"),
        (json!({ "proxy.": 1 }), "proxy."),
        (json!({ "proxy.port\n  x": 1 }), "unknown key"),
        (
            json!({ "proxy.max_body": "${NOT_SET}" }),
            "proxy.max_body: the variable NOT_SET is not set",
        ),
        (
            json!({ "proxy.api_key": "sk-0123456789" }),
            "proxy.api_key: the key is changed by POST /api/key",
        ),
        (json!({ "accounts": [] }), "accounts: accounts are changed under /api/accounts"),
        (json!({ "accounts.0.name": "x" }), "accounts.0.name: "),
        (
            json!({ "models.aliases": { "a": "b*" } }),
            "models.aliases.\"a\": expected the name of one model",
        ),
        (json!({ "models.aliases": ["a"] }), "models.aliases: expected patterns"),
        (json!({ "models.aliases.a": "b" }), "models.aliases.a: expected models.aliases"),
        (json!({ "state.backend": "redis" }), "state.backend: no such setting"),
        (
            json!({ "monitor.retention.days": 0 }),
            "monitor.retention.days: expected a whole number from 1",
        ),
        (json!({ "pool.max_attempts": 1.5 }), "pool.max_attempts: expected"),
        (json!([1]), "the request body is not a JSON object"),
    ] {
        let answer = written.patch("/api/config", asked.clone()).await;
        let message = refused(&answer, 400);
        assert!(message.contains(named), "{asked}: {message}");
    }
    let twice = send_text(&written, r#"{"proxy.port": 1, "proxy.port": 2}"#).await;
    assert!(twice.contains("written twice"), "{twice}");
    assert_eq!(written.text(), TEXT);
    assert_eq!(
        written.console.read("/api/status").await["config"]["error"],
        serde_json::Value::Null
    );
}

async fn send_text(written: &Written, body: &str) -> String {
    let mut request = crate::support::client::post("/api/config", body.to_owned());
    request.method = "PATCH";
    refused(&written.console.send(request).await, 400)
}

#[tokio::test]
async fn what_the_environment_says_cannot_be_changed_in_the_file() {
    let written = Written::start_with(TEXT, &[("LEVITY_AUTH_MODE", "off")]).await;
    let answer = written.patch("/api/config", json!({ "proxy.auth_mode": "strict" })).await;
    assert_eq!(
        refused(&answer, 409),
        "proxy.auth_mode is set by LEVITY_AUTH_MODE, which wins over the file"
    );
    assert_eq!(written.text(), TEXT);
}

#[tokio::test]
async fn changes_at_the_same_time_are_all_made() {
    let written = Written::start(TEXT).await;
    let changes = [
        json!({ "proxy.strict": true }),
        json!({ "proxy.expose_routing": true }),
        json!({ "proxy.max_body": "1MiB" }),
        json!({ "proxy.timeouts.connect": "3s" }),
        json!({ "pool.max_attempts": 7 }),
        json!({ "pool.scheduling": "balance" }),
        json!({ "monitor.bodies": true }),
        json!({ "monitor.retention.days": 3 }),
    ];
    let sent = changes.map(|change| written.patch("/api/config", change));
    for answer in futures::future::join_all(sent).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let values = &written.console.read("/api/config").await["values"];
    assert_eq!(values["proxy"]["strict"], true);
    assert_eq!(values["proxy"]["expose_routing"], true);
    assert_eq!(values["proxy"]["max_body"], "1MiB");
    assert_eq!(values["proxy"]["timeouts"]["connect"], "3s");
    assert_eq!(values["pool"]["max_attempts"], 7);
    assert_eq!(values["pool"]["scheduling"], "balance");
    assert_eq!(
        (&values["monitor"]["bodies"], &values["monitor"]["retention"]["days"]),
        (&json!(true), &json!(3))
    );
    for comment in ["# mine", "# any", "# for now", "# short", "# the only one"] {
        assert!(written.text().contains(comment), "{}", written.text());
    }
}

#[tokio::test]
async fn what_was_written_by_hand_in_the_meantime_stays() {
    let written = Written::start(TEXT).await;
    written.write(&TEXT.replace("# mine", "# mine, and more").replace("idle: 60s", "idle: 61s"));
    let answer = written.patch("/api/config", json!({ "proxy.strict": true })).await.json();
    assert_eq!(answer["config"]["values"]["proxy"]["timeouts"]["idle"], "1m 1s");
    assert!(written.text().starts_with("# mine, and more\n"), "{}", written.text());
    // A file that is wrong is the owner's to mend.
    let broken = written.text().replace("strict: true", "strict: maybe");
    written.write(&broken);
    let answer = written.patch("/api/config", json!({ "proxy.expose_routing": true })).await;
    let message = refused(&answer, 409);
    assert!(message.contains("proxy.strict: expected true or false"), "{message}");
    assert!(
        answer.json()["error"]["hint"].as_str().unwrap().contains("mend it"),
        "{}",
        answer.text()
    );
    assert_eq!(written.text(), broken);
    assert!(!broken.contains("expose_routing"));
}

#[tokio::test]
async fn what_cannot_be_written_is_said() {
    let written = Written::start("proxy: { port: 0 }\naccounts: [{ name: &a only, provider: custom, dialect: openai_chat, base_url: \"http://127.0.0.1:1/v1\", headers: { x-name: *a } }]\n").await;
    let before = written.text();
    let answer = written.patch("/api/accounts/only", json!({ "name": "other" })).await;
    let message = refused(&answer, 409);
    assert!(message.contains("levity.yaml:2: accounts[0].name"), "{message}");
    assert!(message.contains("by hand"), "{message}");
    assert_eq!(written.text(), before);
}

#[tokio::test]
async fn without_a_file_one_is_begun_that_keeps_the_accounts() {
    let home =
        home(&[("OPENAI_API_KEY", "sk-environment-key"), ("GOOGLE_API_KEY", "google-key-1")]);
    let command = home.command(&["run", "--port", "0"]);
    let gateway = Gateway::launch(home, command, vec!["sk-environment-key".to_owned()]).await;
    let console = Console::of(&gateway).await;
    let config = console.read("/api/config").await;
    assert_eq!((&config["path"], &config["text"]), (&json!(null), &json!(null)));
    assert_eq!(config["overridden"]["proxy.port"], "--port");
    let port = send(&console, "PATCH", "/api/config", json!({ "proxy.port": 1 })).await;
    assert!(refused(&port, 409).contains("--port"));
    let account = send(&console, "PATCH", "/api/accounts/openai", json!({ "weight": 2 })).await;
    assert!(refused(&account, 409).contains("comes from the environment"));

    let answer = send(&console, "PATCH", "/api/config", json!({ "proxy.strict": true })).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let path = gateway.home.path().join(".config/levity/levity.yaml");
    assert_eq!(answer.json()["config"]["path"], path.to_str().unwrap());
    assert_eq!(answer.json()["status"]["accounts"]["active"], 2);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("api_key: \"${OPENAI_API_KEY:-}\"") && text.contains("${GOOGLE_API_KEY:-}"),
        "{text}"
    );
    assert!(text.contains("proxy:\n  strict: true\n"), "{text}");
    // From now on it is a file like any other.
    let account = send(&console, "PATCH", "/api/accounts/openai", json!({ "weight": 2 })).await;
    assert_eq!(account.json()["weight"], 2, "{}", account.text());
    assert_eq!(account.json()["from"], "file");
}

#[tokio::test]
async fn a_port_that_cannot_be_had_changes_nothing_and_a_free_one_is_taken_at_once() {
    let written = Written::start(TEXT).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let asked = json!({ "proxy.port": port, "proxy.strict": true });
    let answer = written.patch("/api/config", asked.clone()).await;
    let message = refused(&answer, 409);
    assert!(message.starts_with(&format!("cannot bind 127.0.0.1:{port}: ")), "{message}");
    assert_eq!(written.text(), TEXT);
    let status = written.console.read("/api/status").await;
    assert_eq!((&status["config"]["error"], &status["state"]), (&json!(null), &json!("running")));
    assert_eq!(status["proxy"]["port"], written.gateway.address.port());

    drop(taken);
    let answer = written.patch("/api/config", asked).await.json();
    assert_eq!(answer["status"]["proxy"]["address"], format!("127.0.0.1:{port}"), "{answer}");
    TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert!(written.text().contains(&format!("  port: {port}    # any\n")), "{}", written.text());
}

/// Every key of a section of the commented config, with dots.
fn keys(section: &str) -> Vec<String> {
    let mut path: Vec<&str> = Vec::new();
    let mut keys = Vec::new();
    for line in include_str!("../../conf/levity.yaml").lines() {
        let text = line.trim_start();
        let Some((key, value)) = text.split_once(':').filter(|_| !text.starts_with(['#', '-']))
        else {
            continue;
        };
        path.truncate((line.len() - text.len()) / 2);
        path.push(key);
        let value = value.split('#').next().unwrap().trim();
        if path[0] == section && !value.is_empty() {
            keys.push(path.join("."));
        }
    }
    keys
}

#[tokio::test]
async fn every_setting_of_the_commented_config_is_told_and_taken() {
    let written = Written::start(TEXT).await;
    let values = written.console.read("/api/config").await["values"].clone();
    let keys = ["proxy", "pool", "monitor", "console"].map(keys).concat();
    let told = |key: &str| key.split('.').fold(&values, |part, name| &part[name]).clone();
    let mut asked = serde_json::Map::new();
    // A key or a login is not told, and the environment of the tests says where the console is.
    let left_out = ["proxy.api_key", "proxy.outbound", "console."];
    for key in keys.iter().filter(|key| !left_out.iter().any(|left| key.starts_with(left))) {
        assert!(!told(key).is_null(), "{key} is not in the answer of /api/config");
        asked.insert(key.clone(), told(key));
    }
    assert!(asked.len() > 14, "{asked:?}");
    // What is told is in the forms of the file.
    let answer = written.patch("/api/config", asked.into()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["config"]["values"], values);
}
