//! Status, start, stop and reload over the admin API.

use levity::dialects::Dialect;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{self, with_console};
use crate::support::client::{get, post};
use crate::support::eventually;
use crate::support::gateway::{Account, Config, Gateway};

const CHAT: Dialect = Dialect::OpenAiChat;

/// A configuration with an account that nobody asks.
fn config() -> Config {
    Config::new().account(Account::new("only", CHAT, "http://127.0.0.1:1"))
}

#[tokio::test]
async fn the_status_says_what_runs() {
    let config = config()
        .account(Account::new("idle", CHAT, "http://127.0.0.1:1").set("enabled", false))
        .guarded("strict");
    let (gateway, console) = harness::start(config).await;
    let status = console.status("no request", |status| status["requests"]["open"] == 0).await;
    assert_eq!(status["state"], "running");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["demo"], false);
    assert_eq!(status["proxy"]["address"], gateway.address.to_string());
    assert_eq!(status["proxy"]["port"], gateway.address.port());
    assert_eq!(status["proxy"]["effective_auth"], "strict");
    assert_eq!(status["proxy"]["has_key"], true);
    let root = format!("http://{}", gateway.address);
    assert_eq!(status["base_urls"]["openai"], format!("{root}/v1"));
    assert_eq!(status["base_urls"]["anthropic"], root);
    assert_eq!(status["accounts"]["total"], 2);
    assert_eq!(status["accounts"]["active"], 1);
    assert_eq!(status["accounts"]["available"], 1);
    assert_eq!(status["config"]["path"], gateway.home.config().to_str().unwrap());
    for time in [&status["started"], &status["process_started"], &status["config"]["loaded"]] {
        let time = time.as_str().unwrap();
        assert!(time.ends_with('Z') && time.len() == "2026-01-31T12:00:00.000Z".len(), "{time}");
    }
}

#[tokio::test]
async fn stop_closes_the_port_and_start_opens_one() {
    let (gateway, console) = harness::start(config()).await;
    console.send(post("/api/stop", "")).await;
    // The request that found it ready may not be over yet.
    let stopped = console.status("the stop", |status| status["state"] == "stopped").await;
    assert_eq!(stopped["proxy"]["address"], serde_json::Value::Null);
    let refused = TcpStream::connect(gateway.address).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(console.send_bare(&get("/readyz")).await.status, 503);
    assert_eq!(console.send_bare(&get("/healthz")).await.status, 200);
    assert_eq!(console.send(post("/api/stop", "{}")).await.json()["state"], "stopped");

    let started = console.send(post("/api/start", "")).await.json();
    assert_eq!(started["state"], "running");
    let address = started["proxy"]["address"].as_str().unwrap().to_owned();
    TcpStream::connect(&address).await.unwrap();
    let again = console.send(post("/api/start", "")).await.json();
    assert_eq!(again["proxy"]["address"], address, "it stays where it is");
}

#[tokio::test]
async fn a_taken_port_is_an_answer() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let (_gateway, console) = harness::start(config().set("proxy", "port", port)).await;
    console.send(post("/api/stop", "")).await;
    let taken = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let reply = console.send(post("/api/start", "")).await;
    assert_eq!(reply.status, 409, "{}", reply.text());
    let said = reply.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(said, format!("cannot bind 127.0.0.1:{port}: address in use"));
    assert_eq!(console.read("/api/status").await["state"], "stopped");
    drop(taken);
    assert_eq!(console.send(post("/api/start", "")).await.json()["state"], "running");
}

#[tokio::test]
async fn a_reload_takes_a_good_file_and_says_what_is_wrong_with_a_bad_one() {
    let (gateway, console) = harness::start(config()).await;
    let file = gateway.home.config();
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, good.replace("\"only\"", "\"another\"")).unwrap();
    assert_eq!(console.send(post("/api/reload", "")).await.status, 200);
    std::fs::write(&file, "proxy: { prot: 1 }").unwrap();
    let reply = console.send(post("/api/reload", "")).await;
    assert_eq!(reply.status, 400, "{}", reply.text());
    assert!(reply.text().contains("prot"), "{}", reply.text());
    let status = console.read("/api/status").await;
    assert_eq!(status["state"], "running");
    assert!(status["config"]["error"].as_str().unwrap().contains("prot"), "{status}");
    std::fs::write(&file, &good).unwrap();
    assert_eq!(console.send(post("/api/reload", "")).await.status, 200);
    assert!(console.read("/api/status").await["config"]["error"].is_null());
}

#[tokio::test]
async fn a_console_that_is_taken_leaves_the_gateway_running() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let config = with_console(config()).env("LEVITY_CONSOLE_PORT", port.to_string());
    let gateway = Gateway::start(&config).await;
    let warning =
        format!("console: cannot bind 127.0.0.1:{port}: address in use; the console is off");
    eventually("the warning", || gateway.stderr().contains(&warning).then_some(())).await;
}
