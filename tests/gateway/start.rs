//! Starting and refusing to: what the owner sees before the first request.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use levity::dialects::Dialect;

use crate::support::client::get;
use crate::support::gateway::{Account, Config, Ended, Gateway, Home, ended};
use crate::support::samples::{self, MODEL};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// A configuration with an account that nobody will ask.
fn config() -> Config {
    Config::new().account(Account::new("only", CHAT, "http://127.0.0.1:1"))
}

/// Checks that it refused as every command does: an `error:` line, a `hint:` line, nothing else.
fn refusal(ended: &Ended, code: i32) -> (String, String) {
    let lines: Vec<&str> = ended.stderr.lines().collect();
    let [error, hint] = lines[..] else { panic!("not an error and a hint: {ended:?}") };
    assert!(error.starts_with("error: ") && hint.starts_with("hint: "), "{ended:?}");
    assert_eq!(ended.code, Some(code), "{ended:?}");
    (error.to_owned(), hint.to_owned())
}

#[tokio::test]
async fn a_taken_port_is_refused_by_name() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let ended = ended(Home::with(&config().set("proxy", "port", port)).run());
    let (error, _) = refusal(&ended, 1);
    assert_eq!(error, format!("error: cannot bind 127.0.0.1:{port}: address in use"));
    assert_eq!(ended.stdout, "", "it said that it was up");
}

#[tokio::test]
async fn a_port_flag_beats_the_file() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let home = Home::with(&config().set("proxy", "port", taken.local_addr().unwrap().port()));
    let command =
        home.command(&["run", "--config", home.config().to_str().unwrap(), "--port", "0"]);
    Gateway::launch(home, command, Vec::new()).await;
}

#[tokio::test]
async fn no_account_at_all_is_refused_with_a_way_out() {
    for command in [
        Home::with(&Config::new()).run(),
        Home::with(
            &Config::new()
                .account(Account::new("only", CHAT, "http://127.0.0.1:1").set("enabled", false)),
        )
        .run(),
        Home::with(
            &Config::new()
                .account(Account::new("only", CHAT, "http://127.0.0.1:1").set("dispatch", "off")),
        )
        .run(),
        Home::empty().command(&["run", "--port", "0"]),
    ] {
        let ended = ended(command);
        assert!(matches!(ended.code, Some(1 | 2)), "{ended:?}");
        assert!(ended.stderr.starts_with("error: "), "{ended:?}");
        let hint = ended.stderr.lines().find(|line| line.starts_with("hint: "));
        let hint = hint.unwrap_or_default();
        assert!(hint.contains("account") || hint.contains("API_KEY"), "{ended:?}");
    }
}

#[tokio::test]
async fn a_running_gateway_says_where_and_how() {
    let config = config()
        .account(Account::new("another", Dialect::Gemini, "http://127.0.0.1:1"))
        .guarded("strict");
    let gateway = Gateway::start(&config).await;
    let said = gateway.stdout();
    let root = format!("http://{}", gateway.address);
    for part in ["strict", "only", "another", "OpenAI", "Anthropic", "Gemini"] {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    assert!(said.contains(&format!("{root}/v1")), "the base URL for OpenAI in:\n{said}");
    let bare = said.split(&root).skip(1).any(|after| !after.starts_with("/v1"));
    assert!(bare, "the base URL for Anthropic and Gemini in:\n{said}");
}

#[tokio::test]
async fn the_lan_without_a_key_is_warned_about() {
    let config = config().set("proxy", "allow_lan_access", true).set("proxy", "auth_mode", "off");
    let gateway = Gateway::start(&config).await;
    let said = (gateway.stdout() + &gateway.stderr()).to_lowercase();
    let warned = said.lines().any(|line| line.contains("warn") && line.contains("lan"));
    assert!(warned, "no warning in:\n{said}");
}

#[tokio::test]
async fn what_is_safe_is_not_warned_about() {
    for config in [config(), config().set("proxy", "allow_lan_access", true).guarded("auto")] {
        let gateway = Gateway::start(&config).await;
        let said = (gateway.stdout() + &gateway.stderr()).to_lowercase();
        assert!(!said.contains("warn"), "a warning in:\n{said}");
    }
}

/// Every word of a text that looks like a client key.
fn keys(text: &str) -> Vec<String> {
    let apart = |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_';
    let key = |word: &&str| word.starts_with("sk-") && word.len() >= 20;
    text.split(apart).filter(key).map(ToOwned::to_owned).collect()
}

/// The files below `folder` that hold `text`.
fn holding(folder: &Path, text: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = |path: std::path::PathBuf| {
        if path.is_dir() {
            return holding(&path, text);
        }
        let holds = std::fs::read_to_string(&path).is_ok_and(|file| file.contains(text));
        if holds { vec![path] } else { Vec::new() }
    };
    entries.flat_map(found).collect()
}

#[tokio::test]
async fn a_missing_key_is_generated_shown_once_and_saved() {
    let home = Home::with(&config().set("proxy", "auth_mode", "all_except_health"));
    let command = home.run();
    let first = Gateway::launch(home, command, Vec::new()).await;
    let shown = keys(&(first.stdout() + &first.stderr()));
    assert_eq!(shown.len(), 1, "{shown:?}");
    let key = &shown[0];
    assert!(key.len() >= 10, "{key}");
    let models = get("/v1/models");
    assert_eq!(first.send(&models).await.status, 401);
    assert_eq!(first.send(&models.clone().header("x-api-key", key)).await.status, 200);
    let saved = holding(first.home.path(), key);
    assert_eq!(saved.len(), 1, "{saved:?}");
    let mode = std::fs::metadata(&saved[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{saved:?}");

    let command = first.home.run();
    let second = Gateway::launch(Home::empty(), command, vec![key.clone()]).await;
    assert_eq!(second.send(&models.header("x-api-key", key)).await.status, 200);
    assert_eq!(keys(&(second.stdout() + &second.stderr())), [] as [&str; 0]);
}

#[tokio::test]
async fn accounts_come_from_the_environment_alone() {
    for (name, family) in [
        ("GEMINI_API_KEY", "gemini"),
        ("GOOGLE_API_KEY", "gemini"),
        ("OPENAI_API_KEY", "gpt"),
        ("ANTHROPIC_API_KEY", "claude"),
        ("ZAI_API_KEY", "glm"),
    ] {
        let secret = format!("the-secret-in-{}", name.to_lowercase());
        let home = Home::empty().env(name, &secret);
        let command = home.command(&["run", "--port", "0"]);
        let gateway = Gateway::launch(home, command, vec![secret]).await;
        let reply = gateway.send(&samples::call(CHAT, "no-such-model")).await;
        let message = samples::refused(CHAT, 404, &reply);
        for served in ["gemini", "gpt", "claude", "glm"] {
            assert_eq!(message.contains(served), served == family, "{name}: {message}");
        }
    }
}

#[tokio::test]
async fn variables_are_expanded_in_strings() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    for (written, meant) in [
        ("${LEVITY_TEST_KEY}", "value-of-the-variable"),
        ("${LEVITY_TEST_NOTHING:-the-default-value}", "the-default-value"),
        ("before-${LEVITY_TEST_KEY}-after", "before-value-of-the-variable-after"),
    ] {
        let account = Account::new("only", CHAT, &upstream.url()).set("api_key", written);
        let config = Config::new().account(account).env("LEVITY_TEST_KEY", "value-of-the-variable");
        let home = Home::with(&config);
        let command = home.run();
        let gateway = Gateway::launch(home, command, vec![meant.to_owned()]).await;
        gateway.send(&samples::call(CHAT, MODEL)).await;
        assert_eq!(upstream.seen().pop().unwrap().credential(), meant);
    }
}

#[tokio::test]
async fn the_demo_answers_every_dialect_without_a_key() {
    let home = Home::with(&Config::new());
    let command = home.command(&["run", "--demo", "--config", home.config().to_str().unwrap()]);
    let gateway = Gateway::launch(home, command, Vec::new()).await;
    for dialect in Dialect::ALL {
        let reply = gateway.send(&samples::call(dialect, "gemini-3-flash")).await;
        assert_eq!(reply.status, 200, "{dialect}: {}", reply.text());
        let mut open = gateway.open(&samples::stream_call(dialect, "gemini-3-flash")).await;
        assert!(open.end().await, "a proper end");
        let terminal = match dialect {
            Dialect::OpenAiChat => "data: [DONE]",
            Dialect::OpenAiResponses => "response.completed",
            Dialect::Anthropic => "message_stop",
            Dialect::Gemini => "finishReason",
        };
        assert!(open.text().contains(terminal), "{dialect}: {}", open.text());
    }
}
