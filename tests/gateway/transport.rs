//! The connections on both sides: TLS, HTTP/2, keep-alive.

use levity::dialects::Dialect;

use crate::support::client::{Framing, get, post};
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Answer, Gate, Seen};
use crate::support::tls::{Authority, Offer};
use crate::support::upstream::{SOME_LOST, Upstream};

const CHAT: Dialect = Dialect::OpenAiChat;

/// A gateway that trusts `authority` alone, in front of `upstream`.
async fn trusting(authority: &Authority, upstream: &Upstream) -> Gateway {
    let file = authority.file().to_str().unwrap().to_owned();
    Gateway::start(&Config::one(CHAT, upstream).env("SSL_CERT_FILE", file)).await
}

fn good(_: &Seen) -> Answer {
    samples::good(CHAT)
}

#[tokio::test]
async fn an_upstream_with_a_trusted_certificate_is_used() {
    let authority = Authority::new();
    let upstream = Upstream::tls(&authority, Offer::Http1, good).await;
    let gateway = trusting(&authority, &upstream).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!(reply.text(), samples::answer(CHAT).to_string());
    let seen = upstream.only();
    assert_eq!(seen.version, "HTTP/1.1");
    let host = format!("localhost:{}", upstream.address.port());
    assert_eq!(seen.headers.all("host"), [host]);
}

#[tokio::test]
async fn an_upstream_with_a_strange_certificate_gets_nothing() {
    let upstream = Upstream::tls(&Authority::new(), Offer::Http1, good).await;
    let gateway = trusting(&Authority::new(), &upstream).await;
    let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
    assert!(matches!(reply.status, 502 | 503), "{}", reply.status);
    samples::refused(CHAT, reply.status, &reply);
    assert_eq!(upstream.count(), 0, "requests upstream");
}

#[tokio::test]
async fn a_strange_certificate_is_a_reason_for_the_next_account() {
    let authority = Authority::new();
    let strange = Upstream::tls(&Authority::new(), Offer::Http1, good).await;
    let trusted = Upstream::tls(&authority, Offer::Http1, good).await;
    let config = Config::new()
        .account(Account::new("strange", CHAT, &strange.url()))
        .account(Account::new("trusted", CHAT, &trusted.url()).set("dispatch", "fallback"))
        .env("SSL_CERT_FILE", authority.file().to_str().unwrap());
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!((strange.count(), trusted.count()), (0, 1));
}

#[tokio::test]
async fn http_2_is_used_where_it_is_offered() {
    let authority = Authority::new();
    let upstream = Upstream::tls(&authority, Offer::Http2, good).await;
    let gateway = trusting(&authority, &upstream).await;
    for _ in 0..10 {
        let reply = gateway.send(&samples::call(CHAT, MODEL)).await;
        assert_eq!(reply.text(), samples::answer(CHAT).to_string());
    }
    assert!(upstream.seen().iter().all(|seen| seen.version == "HTTP/2"));
    assert!(upstream.connections() < SOME_LOST, "{} connections", upstream.connections());
}

#[tokio::test]
async fn a_stream_over_http_2_passes_event_by_event() {
    let (authority, gate, events) = (Authority::new(), Gate::closed(), samples::events(CHAT));
    let answer = Answer::sse(&events[..1]).wait(&gate);
    let answer = events[1..].iter().fold(answer, |answer, event| answer.event(event));
    let upstream = Upstream::tls(&authority, Offer::Http2, move |_| answer.clone()).await;
    let gateway = trusting(&authority, &upstream).await;
    let mut open = gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until(&events[0]).await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), events.concat());
}

#[tokio::test]
async fn a_large_body_goes_over_http_2() {
    let authority = Authority::new();
    let upstream = Upstream::tls(&authority, Offer::Http2, good).await;
    let gateway = trusting(&authority, &upstream).await;
    let body = format!(r#"{{"model":"{MODEL}","pad":"{}"}}"#, "x".repeat(1 << 20));
    let call = post(samples::path(CHAT, MODEL), body.clone()).framing(Framing::Chunked(9_999));
    assert_eq!(gateway.send(&call).await.status, 200);
    assert!(upstream.only().text() == body, "another body arrived");
}

#[tokio::test]
async fn a_stream_reset_over_http_2_moves_on_before_the_head() {
    let authority = Authority::new();
    // Each account has a connection of its own, so the connections tell the attempts apart.
    let script = |seen: &Seen| match seen.connection {
        0 => Answer::nothing().reset(),
        _ => samples::good(CHAT),
    };
    let upstream = Upstream::tls(&authority, Offer::Http2, script).await;
    let config =
        Config::two(CHAT, &upstream).env("SSL_CERT_FILE", authority.file().to_str().unwrap());
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
}

#[tokio::test]
async fn both_sides_keep_their_connections() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let mut connection = gateway.connect().await;
    let chunked = samples::call(CHAT, MODEL).framing(Framing::Chunked(7));
    let requests = [samples::call(CHAT, MODEL), chunked, samples::call(CHAT, "other-model")];
    for request in requests.iter().cycle().take(30) {
        assert_eq!(connection.send(request).await.unwrap().status, 200);
    }
    assert_eq!(upstream.count(), 30, "requests");
    // One of ten would be let go if one kind of request did not keep its connection.
    assert!(upstream.connections() < SOME_LOST, "{} connections", upstream.connections());
}

/// A server that looks once at each request of the gateway's connection: gives what it saw, and answers.
#[cfg(target_os = "linux")]
async fn first_looks(listener: tokio::net::TcpListener, looks: tokio::sync::mpsc::Sender<String>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let answer = samples::answer(CHAT).to_string();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
    let (mut connection, _) = listener.accept().await.unwrap();
    let mut space = vec![0; 1 << 16];
    loop {
        let read = connection.read(&mut space).await.unwrap();
        let look = String::from_utf8(space[..read].to_vec()).unwrap();
        if read == 0 || looks.send(look).await.is_err() {
            return;
        }
        connection.write_all(answer.as_bytes()).await.unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_head_and_its_body_arrive_together() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap());
    let (looks, mut seen) = tokio::sync::mpsc::channel(1);
    let server = tokio::spawn(first_looks(listener, looks));
    let gateway = Gateway::start(&Config::new().account(Account::new("only", CHAT, &root))).await;
    let mut connection = gateway.connect().await;
    for _ in 0..20 {
        let call = samples::call(CHAT, MODEL);
        let (reply, look) = tokio::join!(connection.send(&call), seen.recv());
        assert_eq!(reply.unwrap().status, 200);
        let look = look.unwrap();
        let (head, body) = look.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST ") && body.ends_with('}'), "{look}");
    }
    server.abort();
}

#[tokio::test]
async fn answers_of_the_gateways_own_keep_the_connection() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let mut connection = gateway.connect().await;
    for (request, status) in [
        (get("/healthz"), 200),
        (get("/v1/models"), 200),
        (post("/nothing", "{}"), 404),
        (get("/v1/chat/completions"), 405),
        (post("/v1/chat/completions", "no json"), 400),
        (samples::call(CHAT, MODEL), 200),
        (samples::stream_call(CHAT, MODEL), 200),
        (get("/healthz"), 200),
    ] {
        let reply = connection.send(&request).await;
        assert_eq!(reply.unwrap().status, status, "{} {}", request.method, request.target);
    }
}

#[tokio::test]
async fn a_client_may_ask_to_close() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let mut connection = gateway.connect().await;
    let call = samples::call(CHAT, MODEL).header("connection", "close");
    assert_eq!(connection.send(&call).await.unwrap().status, 200);
    assert!(crate::support::soon("the close", connection.is_closed()).await);
}

#[tokio::test]
async fn many_requests_at_once_each_get_their_own_answer() {
    let upstream = Upstream::new(|seen: &Seen| Answer::json(200, seen.body.clone())).await;
    let gateway = Gateway::start(&Config::one(CHAT, &upstream)).await;
    let address = gateway.address;
    let clients: Vec<_> = (0..50)
        .map(|number| {
            tokio::spawn(async move {
                let body = format!(r#"{{"model":"m","number":{number}}}"#);
                let mut connection =
                    crate::support::client::Connection::open(address).await.unwrap();
                let call = post("/v1/chat/completions", body.clone());
                assert_eq!(connection.send(&call).await.unwrap().text(), body);
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(upstream.count(), 50);
}
