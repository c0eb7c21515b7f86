//! Who may ask on the console port, and what is refused before anything is done.

use std::os::unix::fs::PermissionsExt as _;

use levity::dialects::Dialect;

use crate::harness::{self, Console};
use crate::support::client::{Connection, Reply, Request, get, post, request};
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::soon;
use crate::support::wire::ResponseHead;

/// A gateway with a console and an account that nobody asks.
async fn gateway() -> (Gateway, Console) {
    let account = Account::new("only", Dialect::OpenAiChat, "http://127.0.0.1:1");
    harness::start(Config::new().account(account)).await
}

/// Sends bytes as they are, and reads the answer.
async fn raw(console: &Console, bytes: &str) -> (ResponseHead, String) {
    let mut connection = Connection::open(console.address).await.unwrap();
    connection.write(bytes.as_bytes()).await.unwrap();
    let head = soon("the head", connection.head()).await.unwrap();
    let body = soon("the body", connection.body(&head)).await.unwrap();
    (head, String::from_utf8_lossy(&body).into_owned())
}

/// Checks a refusal's status and shape, and that it does not show the token.
fn refused(reply: &Reply, status: u16, console: &Console) {
    assert_eq!(reply.status, status, "{}", reply.text());
    assert!(reply.json()["error"]["message"].is_string(), "{}", reply.text());
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(!reply.text().contains(&console.token));
}

const PATHS: [(&str, &str); 6] = [
    ("GET", "/api/status"),
    ("POST", "/api/start"),
    ("POST", "/api/stop"),
    ("POST", "/api/reload"),
    ("GET", "/api"),
    ("GET", "/api/no-such-path"),
];

#[tokio::test]
async fn without_the_token_nothing_is_said_or_done() {
    let (gateway, console) = gateway().await;
    let token = &console.token;
    let wrong = [
        None,
        Some("Bearer ".to_owned()),
        Some("Bearer wrong".to_owned()),
        Some(format!("Bearer {}", &token[1..])),
        Some(format!("Bearer {token}x")),
        Some(token.clone()),
        Some(format!("Basic {token}")),
    ];
    for (method, path) in PATHS {
        for authorization in &wrong {
            let mut request = request(method, path);
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            refused(&console.send_bare(&request).await, 401, &console);
        }
        let by_query = request(method, format!("{path}?key={token}&token={token}"));
        refused(&console.send_bare(&by_query).await, 401, &console);
        let by_key = request(method, path).header("x-api-key", token);
        refused(&console.send_bare(&by_key).await, 401, &console);
    }
    assert_eq!(gateway.send(&get("/healthz")).await.status, 200, "it was stopped");
}

#[tokio::test]
async fn the_token_opens_the_api_and_lies_in_a_private_file() {
    let (gateway, console) = gateway().await;
    assert_eq!(console.read("/api/status").await["state"], "running");
    let folder = gateway.home.path().join(".local/state/levity");
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&folder.join("console.token")) & 0o777, 0o600);
    assert_eq!(mode(&folder) & 0o777, 0o700);
    assert!(console.token.len() >= 43);
    let said = gateway.stdout() + &gateway.stderr();
    assert!(!said.contains(&console.token), "a pipe was told the token:\n{said}");
    assert!(said.contains("console.token"), "the file is not named:\n{said}");
}

#[tokio::test]
async fn health_needs_no_token() {
    let (_gateway, console) = gateway().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(console.send_bare(&get(path)).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn another_host_is_refused_even_with_the_token() {
    let (_gateway, console) = gateway().await;
    let (port, token) = (console.port(), &console.token);
    let lines = format!("authorization: Bearer {token}\r\n\r\n");
    for (host, status) in [
        (format!("host: 127.0.0.1:{port}\r\n"), 200),
        (format!("host: localhost:{port}\r\n"), 200),
        (format!("host: [::1]:{port}\r\n"), 200),
        ("host: evil.example\r\n".to_owned(), 403),
        (format!("host: evil.example:{port}\r\n"), 403),
        (format!("host: 127.0.0.1.evil.example:{port}\r\n"), 403),
        (format!("host: localhost@evil.example:{port}\r\n"), 403),
        ("host: 192.168.1.5:8046\r\n".to_owned(), 403),
        ("host: 127.0.0.1\r\nhost: evil.example\r\n".to_owned(), 403),
        ("host: \r\n".to_owned(), 403),
    ] {
        for path in ["/api/status", "/healthz"] {
            let (head, body) =
                raw(&console, &format!("GET {path} HTTP/1.1\r\n{host}{lines}")).await;
            assert_eq!(head.status, status, "{host}{path}: {body}");
        }
    }
    let absolute =
        format!("GET http://evil.example/api/status HTTP/1.1\r\nhost: localhost\r\n{lines}");
    assert_eq!(raw(&console, &absolute).await.0.status, 403);
    let (head, _) = raw(&console, &format!("GET /api/status HTTP/1.0\r\n{lines}")).await;
    assert_eq!(head.status, 403, "no host at all");
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_even_with_the_token() {
    let (_gateway, console) = gateway().await;
    let own = format!("http://{}", console.address);
    for (origin, status) in [
        (own.as_str(), 200),
        ("http://evil.example", 403),
        ("https://127.0.0.1", 403),
        ("http://127.0.0.1:1", 403),
        ("null", 403),
    ] {
        let status_of = console.send(get("/api/status").header("origin", origin)).await;
        assert_eq!(status_of.status, status, "{origin}");
        assert_eq!(status_of.header("access-control-allow-origin"), None);
        let health = console.send_bare(&get("/healthz").header("origin", origin)).await;
        assert_eq!(health.status, status, "{origin}");
    }
    let preflight = request("OPTIONS", "/api/stop")
        .header("origin", "http://evil.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization");
    refused(&console.send_bare(&preflight).await, 403, &console);
}

#[tokio::test]
async fn what_is_not_there_is_a_404_and_a_wrong_method_a_405() {
    let (_gateway, console) = gateway().await;
    refused(&console.send(get("/api/no-such-path")).await, 404, &console);
    refused(&console.send(get("/api")).await, 404, &console);
    refused(&console.send_bare(&get("/no-such-path")).await, 404, &console);
    for (method, path) in [("DELETE", "/api/status"), ("GET", "/api/stop"), ("PUT", "/api/start")] {
        let reply = console.send(request(method, path)).await;
        refused(&reply, 405, &console);
        assert!(reply.header("allow").is_some(), "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_or_wrong_is_refused() {
    let (gateway, console) = gateway().await;
    let padded = format!("{{\"deadline_ms\":{}1}}", " ".repeat(1 << 20));
    refused(&console.send(post("/api/stop", padded)).await, 413, &console);
    for (body, named) in [
        ("{\"dead_line\":1}", "dead_line"),
        ("{\"deadline_ms\":-1}", "-1"),
        ("{\"deadline_ms\":\"1s\"}", "string"),
        ("{", "EOF"),
        ("[]", "body"),
        ("\"; drop table\"", "body"),
    ] {
        let reply = console.send(post("/api/stop", body)).await;
        refused(&reply, 400, &console);
        assert!(reply.text().contains(named), "{body}: {}", reply.text());
    }
    assert_eq!(gateway.send(&get("/healthz")).await.status, 200, "it was stopped");
}

#[tokio::test]
async fn a_query_that_is_too_long_is_refused() {
    let (_gateway, console) = gateway().await;
    let most = "x".repeat(8 * 1024);
    assert_eq!(console.send(get(format!("/api/status?{most}"))).await.status, 200);
    refused(&console.send(get(format!("/api/status?{most}x"))).await, 414, &console);
    refused(&console.send_bare(&get(format!("/healthz?{most}x"))).await, 414, &console);
}

/// Ways to climb out of a folder.
const CLIMBING: [&str; 8] = [
    "/../../../../etc/passwd",
    "/assets/../../../../etc/passwd",
    "/assets/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/assets/..%2f..%2f..%2fetc%2fpasswd",
    "/assets/%252e%252e/etc/passwd",
    "/assets/..\\..\\etc\\passwd",
    "/assets//etc/passwd",
    "/assets/%00/etc/passwd",
];

#[tokio::test]
async fn a_path_that_climbs_out_finds_nothing() {
    let (_gateway, console) = gateway().await;
    for path in CLIMBING {
        let reply: Reply = console.send_bare(&get(path)).await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
        assert!(!reply.text().contains("root:"), "{path}");
    }
    let to_the_api: Request = get("/assets/../api/status");
    let reply = console.send_bare(&to_the_api).await;
    assert!(matches!(reply.status, 400 | 401 | 404), "{}", reply.status);
}
