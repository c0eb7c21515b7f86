//! The commands that talk to a running gateway.

use levity::dialects::Dialect;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{self, Console};
use crate::support::gateway::{Account, Config, Ended, Gateway, Home, ended};

async fn gateway() -> (Gateway, Console) {
    let account = Account::new("only", Dialect::OpenAiChat, "http://127.0.0.1:1");
    harness::start(Config::new().account(account)).await
}

/// Runs a command against the console of a gateway.
fn command(home: &Home, console: &Console, line: &[&str]) -> Ended {
    ended(home.command(&[line, &["--console-port", &console.port()]].concat()))
}

#[tokio::test]
async fn status_stop_and_start_do_what_they_say() {
    let (gateway, console) = gateway().await;
    let status = command(&gateway.home, &console, &["status"]);
    assert_eq!((status.code, status.stderr.as_str()), (Some(0), ""), "{status:?}");
    assert!(status.stdout.starts_with("state     running\n"), "{}", status.stdout);
    assert!(status.stdout.contains(&gateway.address.to_string()), "{}", status.stdout);
    let line =
        format!("http://{}, its token is in {}", console.address, gateway.home.path().display());
    assert!(status.stdout.contains(&line), "{}", status.stdout);
    let json = command(&gateway.home, &console, &["status", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["state"], "running");

    let stopped = command(&gateway.home, &console, &["stop", "--deadline", "1s"]);
    assert!(stopped.stdout.starts_with("state     stopped\n"), "{stopped:?}");
    assert!(TcpStream::connect(gateway.address).await.is_err());
    let started = command(&gateway.home, &console, &["start"]);
    assert!(started.stdout.starts_with("state     running\n"), "{started:?}");
}

#[tokio::test]
async fn reload_says_what_is_wrong_with_the_file() {
    let (gateway, console) = gateway().await;
    assert_eq!(command(&gateway.home, &console, &["reload"]).code, Some(0));
    std::fs::write(gateway.home.config(), "proxy: { prot: 1 }").unwrap();
    let refused = command(&gateway.home, &console, &["reload"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.starts_with("error: "), "{refused:?}");
    assert!(refused.stderr.contains("prot"), "{refused:?}");
    let status = command(&gateway.home, &console, &["status"]);
    assert!(status.stdout.contains("the newest one is not taken"), "{status:?}");
}

#[tokio::test]
async fn without_a_gateway_a_command_says_so() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    for name in ["status", "start", "stop", "reload"] {
        let ended = ended(Home::empty().command(&[name, "--console-port", &port]));
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let expected =
            format!("error: levity is not running (nothing listens on 127.0.0.1:{port})\nhint: ");
        assert!(ended.stderr.starts_with(&expected), "{ended:?}");
    }
}

#[tokio::test]
async fn the_console_is_found_by_the_config_or_said_to_be_off() {
    let (gateway, console) = gateway().await;
    let mut found = gateway.home.command(&["status"]);
    found.env("LEVITY_CONSOLE_PORT", console.port());
    assert_eq!(ended(found).code, Some(0));
    let missing = ended(gateway.home.command(&["status", "--config", "nowhere.yaml"]));
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("cannot read nowhere.yaml"), "{missing:?}");
    let off = ended(Home::empty().command(&["status"]));
    assert_eq!(off.code, Some(1), "{off:?}");
    assert!(off.stderr.contains("console.enabled is false"), "{off:?}");
}

#[tokio::test]
async fn another_users_token_is_not_taken() {
    let (_gateway, console) = gateway().await;
    let ended = command(&Home::empty(), &console, &["stop"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("does not take the token in"), "{ended:?}");
    assert!(!ended.stderr.contains(&console.token));
}

#[tokio::test(flavor = "multi_thread")]
async fn something_else_on_the_port_is_told() {
    let other = crate::support::upstream::Upstream::always(crate::support::script::Answer::json(
        404,
        "nothing here",
    ))
    .await;
    let port = other.address.port().to_string();
    let ended = ended(Home::empty().command(&["status", "--console-port", &port]));
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("is not levity's console"), "{ended:?}");
}
