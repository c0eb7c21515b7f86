//! Ports and auth that change with a reload: the new listener first, then the old one is drained.

use std::net::SocketAddr;
use std::time::Duration;

use levity::dialects::Dialect;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{self, Console};
use crate::support::client::{Connection, get, post};
use crate::support::gateway::{Config, Gateway, KEY};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Answer, Gate};
use crate::support::soon;
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Writes `proxy:` anew into the config file, and reloads.
async fn reload_with(
    gateway: &Gateway,
    console: &Console,
    proxy: serde_json::Value,
) -> (u16, String) {
    let file = gateway.home.config();
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    config["proxy"] = proxy;
    std::fs::write(&file, config.to_string()).unwrap();
    let reply = console.send(post("/api/reload", "")).await;
    (reply.status, reply.text())
}

/// A gateway on a port of its own with a stream that waits at a gate.
async fn gateway(gate: &Gate) -> (u16, Upstream, Gateway, Console) {
    let events = samples::events(CHAT);
    let held = Answer::sse(&events[..1]).wait(gate);
    let held = events[1..].iter().fold(held, |answer, event| answer.event(event));
    let upstream = Upstream::in_turn([held, samples::good(CHAT)]).await;
    let port = free_port().await;
    let (gateway, console) =
        harness::start(Config::one(CHAT, &upstream).set("proxy", "port", port)).await;
    (port, upstream, gateway, console)
}

#[tokio::test]
async fn a_new_port_is_opened_and_the_old_one_closed_without_a_cut() {
    let gate = Gate::closed();
    let (old, _upstream, gateway, console) = gateway(&gate).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until(&samples::events(CHAT)[0]).await;
    let new = free_port().await;
    let (status, said) = reload_with(&gateway, &console, serde_json::json!({ "port": new })).await;
    assert_eq!(status, 200, "{said}");
    assert!(TcpStream::connect(("127.0.0.1", old)).await.is_err(), "the old port is open");
    let address = SocketAddr::from(([127, 0, 0, 1], new));
    let mut connection = Connection::open(address).await.unwrap();
    assert_eq!(connection.send(&samples::call(CHAT, MODEL)).await.unwrap().status, 200);
    let status = console.status("the stream alone", |status| status["requests"]["open"] == 1).await;
    assert_eq!(status["proxy"]["address"], address.to_string());
    assert_eq!(status["state"], "running");
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), samples::events(CHAT).concat());
}

#[tokio::test]
async fn a_new_port_that_is_taken_changes_nothing() {
    let gate = Gate::closed();
    let (old, _upstream, gateway, console) = gateway(&gate).await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let proxy = serde_json::json!({ "port": port, "auth_mode": "strict", "api_key": KEY });
    let (status, said) = reload_with(&gateway, &console, proxy).await;
    assert_eq!(status, 409, "{said}");
    assert!(said.contains(&format!("cannot bind 127.0.0.1:{port}: address in use")), "{said}");
    assert_eq!(gateway.send(&get("/healthz")).await.status, 200, "the old one still counts");
    let status = console.read("/api/status").await;
    assert_eq!(status["proxy"]["address"], format!("127.0.0.1:{old}"));
    assert!(status["config"]["error"].as_str().unwrap().contains("address in use"), "{status}");
}

#[tokio::test]
async fn the_lan_is_opened_and_closed_on_the_same_port() {
    let gate = Gate::closed();
    let (port, _upstream, gateway, console) = gateway(&gate).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until(&samples::events(CHAT)[0]).await;
    let lan = serde_json::json!({ "port": port, "allow_lan_access": true, "api_key": KEY });
    let (status, said) = reload_with(&gateway, &console, lan).await;
    assert_eq!(status, 200, "{said}");
    let status = console.read("/api/status").await;
    assert_eq!(status["proxy"]["address"], format!("0.0.0.0:{port}"));
    assert_eq!(status["proxy"]["effective_auth"], "all_except_health");
    let call = samples::call(CHAT, MODEL);
    assert_eq!(gateway.send(&call).await.status, 401);
    assert_eq!(gateway.send(&call.clone().header("x-api-key", KEY)).await.status, 200);
    // Nobody else can have the port now.
    assert!(TcpListener::bind(("127.0.0.1", port)).await.is_err());

    let (status, said) = reload_with(&gateway, &console, serde_json::json!({ "port": port })).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(gateway.send(&call).await.status, 200);
    let status = console.read("/api/status").await;
    assert_eq!(status["proxy"]["address"], format!("127.0.0.1:{port}"));
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), samples::events(CHAT).concat());
}

#[tokio::test]
async fn auth_takes_effect_on_connections_that_are_kept() {
    let gate = Gate::closed();
    gate.open();
    let (port, _upstream, gateway, console) = gateway(&gate).await;
    let mut connection = gateway.connect().await;
    assert_eq!(connection.send(&get("/v1/models")).await.unwrap().status, 200);
    let strict = serde_json::json!({ "port": port, "auth_mode": "strict", "api_key": KEY });
    assert_eq!(reload_with(&gateway, &console, strict).await.0, 200);
    assert_eq!(connection.send(&get("/v1/models")).await.unwrap().status, 401);
}

#[tokio::test]
async fn threads_are_said_to_need_a_restart() {
    let gate = Gate::closed();
    let (port, _upstream, gateway, console) = gateway(&gate).await;
    let threads = serde_json::json!({ "port": port, "threads": 3 });
    assert_eq!(reload_with(&gateway, &console, threads).await.0, 200);
    let warnings = console.read("/api/status").await["warnings"].clone();
    assert!(
        warnings.to_string().contains("proxy.threads takes effect with a restart"),
        "{warnings}"
    );
    assert_eq!(reload_with(&gateway, &console, serde_json::json!({ "port": port })).await.0, 200);
    assert_eq!(console.read("/api/status").await["warnings"], serde_json::json!([]));
}

/// Writes `console:` into the config file of a gateway whose environment says nothing of it.
fn write_console(gateway: &Gateway, port: u16, enabled: bool) {
    let file = gateway.home.config();
    let mut config: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    config["console"] = serde_json::json!({ "port": port, "enabled": enabled });
    std::fs::write(&file, config.to_string()).unwrap();
}

#[tokio::test]
async fn the_console_moves_too() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (first, second) = (free_port().await, free_port().await);
    let config = Config::one(CHAT, &upstream)
        .env("LEVITY_CONSOLE_ENABLED", "")
        .set("console", "port", first);
    let gateway = Gateway::start(&config).await;
    let old = Console::of(&gateway).await;
    assert_eq!(old.address.port(), first);

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    write_console(&gateway, taken.local_addr().unwrap().port(), true);
    assert_eq!(old.send(post("/api/reload", "")).await.status, 409);
    assert_eq!(old.read("/api/status").await["state"], "running");

    write_console(&gateway, second, true);
    assert_eq!(old.send(post("/api/reload", "")).await.status, 200, "the answer still comes");
    let new = Console { address: SocketAddr::from(([127, 0, 0, 1], second)), ..old.clone() };
    assert_eq!(new.read("/api/status").await["state"], "running");
    closes(old.address).await;

    write_console(&gateway, second, false);
    assert_eq!(new.send(post("/api/reload", "")).await.status, 200);
    closes(new.address).await;
    assert_eq!(gateway.send(&get("/healthz")).await.status, 200);
}

async fn closes(address: SocketAddr) {
    soon("closing the console's port", async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}
