//! `levity log`: a table, JSON lines, one request, and requests as they end.

use std::io::{BufRead as _, BufReader};
use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::harness::{self, Console};
use crate::support::client::get;
use crate::support::gateway::{Config, Ended, Gateway, Home, ended};
use crate::support::samples::{self, MODEL};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

async fn gateway() -> (Gateway, Console) {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    for model in ["first", "second"] {
        gateway.send(&samples::call(CHAT, model)).await;
    }
    gateway.send(&get("/no%1Bthing")).await;
    console.logged(3).await;
    (gateway, console)
}

fn log(home: &Home, console: &Console, flags: &[&str]) -> Ended {
    ended(home.command(&[&["log", "--console-port", &console.port()], flags].concat()))
}

#[tokio::test]
async fn the_log_is_a_table_with_the_newest_last() {
    let (gateway, console) = gateway().await;
    let table = log(&gateway.home, &console, &[]);
    assert_eq!((table.code, table.stderr.as_str()), (Some(0), ""), "{table:?}");
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert!(lines[0].starts_with("TIME (UTC)"), "{table:?}");
    for (line, word) in lines[1..].iter().zip(["first", "second", "/no%1Bthing"]) {
        assert!(line.contains(word), "{word} in {line}");
    }
    assert!(lines[3].contains("404") && lines[3].ends_with("refused"), "{table:?}");
    assert!(!table.stdout.contains('\u{1b}'), "{table:?}");
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let (gateway, console) = gateway().await;
    for (flags, expected) in [
        (&["--status", "404"][..], 1),
        (&["--status", "2xx"], 2),
        (&["--status", "error"], 1),
        (&["--model", "first"], 1),
        (&["--account", "only"], 2),
        (&["--dialect", "anthropic"], 0),
        (&["--text", "SECOND"], 1),
        (&["--text", "' OR 1=1 --"], 0),
        (&["--since", "1h"], 3),
        (&["--since", "2999-01-01"], 0),
        (&["--limit", "2"], 2),
    ] {
        let lines = log(&gateway.home, &console, &[flags, &["--json"]].concat());
        assert_eq!(lines.code, Some(0), "{lines:?}");
        let rows: Vec<Value> =
            lines.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), expected, "{flags:?}: {lines:?}");
    }
    for (flags, said) in [
        (["--status", "banana"], "invalid value \"banana\" for --status"),
        (["--since", "yesterday"], "invalid value \"yesterday\" for --since"),
    ] {
        let wrong = log(&gateway.home, &console, &flags);
        assert_eq!(wrong.code, Some(2), "{wrong:?}");
        assert!(wrong.stderr.contains(said) && wrong.stderr.contains("hint: "), "{wrong:?}");
    }
}

#[tokio::test]
async fn one_request_is_told_in_full() {
    let (gateway, console) = gateway().await;
    let newest = log(&gateway.home, &console, &["--json", "--limit", "1"]);
    let newest: Value = serde_json::from_str(&newest.stdout).unwrap();
    let id = newest["id"].as_str().unwrap();
    let detail = log(&gateway.home, &console, &[id]);
    assert!(detail.stdout.contains("error     no such path"), "{detail:?}");
    let json = log(&gateway.home, &console, &[id, "--json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["trail"].as_array().map(Vec::len), Some(0));
    let unknown = log(&gateway.home, &console, &["req_22222222222222222222"]);
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.starts_with("error: no request of that id"), "{unknown:?}");
}

#[tokio::test]
async fn requests_are_followed_as_they_end() {
    let (gateway, console) = gateway().await;
    let mut command = gateway.home.command(&["log", "--follow", "--json", "--limit", "1"]);
    let mut child = command.args(["--console-port", &console.port()]).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let line: Value = serde_json::from_str(&line).unwrap();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut next = async || {
        let line = tokio::time::timeout(Duration::from_secs(20), heard.recv()).await;
        line.unwrap().unwrap()
    };
    assert_eq!(next().await["status"], 404, "the newest that was there");
    for model in ["third", MODEL] {
        gateway.send(&samples::call(CHAT, model)).await;
        assert_eq!(next().await["model"], model);
    }
    drop(gateway);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[tokio::test]
async fn the_log_of_a_gateway_that_has_stopped_is_read_from_its_file() {
    let (mut gateway, console) = gateway().await;
    let running = log(&gateway.home, &console, &["--json"]);
    gateway.signal(Signal::SIGTERM);
    gateway.exit_code().await;
    let stopped = log(&gateway.home, &console, &["--json"]);
    assert_eq!((stopped.code, stopped.stdout), (Some(0), running.stdout));
    let follow = log(&gateway.home, &console, &["--follow"]);
    assert_eq!(follow.code, Some(1));
    assert!(follow.stderr.starts_with("error: levity is not running"), "{follow:?}");
    let nothing = log(&Home::empty(), &console, &[]);
    assert_eq!(nothing.stdout, "no such requests are in the log\n", "{nothing:?}");
}

#[tokio::test]
async fn a_gateway_that_cannot_be_found_is_not_passed_over() {
    let (gateway, _console) = gateway().await;
    let file = gateway.home.path().join("elsewhere.yaml");
    let log = || {
        let mut command = gateway.home.command(&["log", "--config", file.to_str().unwrap()]);
        // They go before the file.
        command.env_remove("LEVITY_CONSOLE_ENABLED").env_remove("LEVITY_CONSOLE_PORT");
        ended(command)
    };
    let refused = log();
    assert_ne!(refused.code, Some(0), "{refused:?}");
    assert!(refused.stderr.contains("elsewhere.yaml") && refused.stdout.is_empty(), "{refused:?}");
    std::fs::write(&file, "console: { enabled: false }").unwrap();
    let off = log();
    assert_eq!(off.code, Some(0), "{off:?}");
    assert!(off.stdout.starts_with("TIME (UTC)"), "{off:?}");
}
