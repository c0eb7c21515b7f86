//! The tools themselves: the scripted upstream and the client, against each other.

use std::pin::Pin;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslMethod};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::support::client::{Connection, Framing, Open, get, post};
use crate::support::script::{Answer, Gate, Step};
use crate::support::tls::{Authority, Offer};
use crate::support::upstream::Upstream;
use crate::support::{soon, within};

#[tokio::test]
async fn a_request_is_recorded_as_it_was_sent() {
    let upstream = Upstream::always(Answer::json(200, "{}")).await;
    let request = post("/a?b=c", " {} ").header("X-Odd", "1").header("x-odd", "2");
    let mut connection = Connection::open(upstream.address).await.unwrap();
    assert_eq!(connection.send(&request).await.unwrap().text(), "{}");
    assert_eq!(connection.send(&request).await.unwrap().status, 200);
    let seen = upstream.seen();
    assert_eq!((seen[1].connection, seen[1].turn), (0, 1));
    assert_eq!((seen[0].target.as_str(), seen[0].text().as_str()), ("/a?b=c", " {} "));
    assert_eq!(seen[0].headers.all("x-odd"), ["1", "2"]);
    assert_eq!(seen[0].headers.0[2].0, "X-Odd");
}

#[tokio::test]
async fn chunked_bodies_arrive_whole_both_ways() {
    let big = vec![b'x'; 300_000];
    let upstream = Upstream::always(Answer::status(200).chunked().chunk(big.clone())).await;
    let request = post("/", big.clone()).framing(Framing::Chunked(1000));
    let mut connection = Connection::open(upstream.address).await.unwrap();
    assert_eq!(connection.send(&request).await.unwrap().body, big);
    assert_eq!(upstream.only().body, big);
}

#[tokio::test]
async fn answers_come_in_turn_and_the_last_one_stays() {
    let upstream = Upstream::in_turn([Answer::status(503), Answer::status(200)]).await;
    let mut connection = Connection::open(upstream.address).await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(connection.send(&get("/")).await.unwrap().status);
    }
    assert_eq!(statuses, [503, 200, 200]);
}

#[tokio::test]
async fn a_gate_holds_the_second_event_back() {
    let gate = Gate::closed();
    let answer = Answer::sse(["data: 1\n\n"]).wait(&gate).event("data: 2\n\n");
    let upstream = Upstream::always(answer).await;
    let mut open = Open::start(upstream.address, &get("/")).await;
    open.until("data: 1").await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), "data: 1\n\ndata: 2\n\n");
}

#[tokio::test]
async fn a_broken_answer_is_a_cut() {
    for answer in [
        Answer::sse(["data: 1\n\n"]).reset(),
        Answer::sse(["data: 1\n\n"]).close(),
        Answer::status(200).chunk("data: 1\n\n").step(Step::Close).chunk("never"),
    ] {
        let upstream = Upstream::always(answer).await;
        let mut open = Open::start(upstream.address, &get("/")).await;
        assert!(!open.end().await, "a cut");
    }
}

#[tokio::test]
async fn nothing_half_a_head_and_silence_are_no_answer() {
    let half = Answer::nothing().raw("HTTP/1.1 200 OK\r\ncontent-ty").close();
    for answer in [Answer::nothing().reset(), Answer::nothing().close(), half] {
        let upstream = Upstream::always(answer).await;
        let mut connection = Connection::open(upstream.address).await.unwrap();
        assert!(connection.send(&get("/")).await.is_err());
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed() {
    let upstream = Upstream::always(Answer::nothing().hang()).await;
    let mut connection = Connection::open(upstream.address).await.unwrap();
    connection.write(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    upstream.reached(1).await;
    drop(connection);
    upstream.left().await;
}

#[tokio::test]
async fn an_early_answer_ends_a_large_upload() {
    let early = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = early.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = early.accept().await.unwrap();
        let answer = b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        std::future::pending::<()>().await;
    });
    let request = post("/", vec![b'x'; 32 << 20]);
    let mut connection = Connection::open(address).await.unwrap();
    let reply = soon("the answer", connection.send(&request)).await.unwrap();
    assert_eq!(reply.status, 413);
}

#[tokio::test]
async fn expect_is_answered_before_the_body() {
    let upstream = Upstream::always(Answer::status(200)).await;
    let mut connection = Connection::open(upstream.address).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    connection.write(head).await.unwrap();
    let limit = Duration::from_secs(5);
    assert_eq!(within(limit, "the 100", connection.head()).await.unwrap().status, 100);
    connection.write(b"hi").await.unwrap();
    assert_eq!(within(limit, "the 200", connection.head()).await.unwrap().status, 200);
    assert_eq!(upstream.only().text(), "hi");
}

/// A TLS connection that trusts `authority` alone and asks for HTTP/2 first.
async fn secure(authority: &Authority, upstream: &Upstream) -> SslStream<TcpStream> {
    let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
    builder.set_ca_file(authority.file()).unwrap();
    builder.set_alpn_protos(b"\x02h2\x08http/1.1").unwrap();
    let session = builder.build().configure().unwrap().into_ssl("localhost").unwrap();
    let stream = TcpStream::connect(upstream.address).await.unwrap();
    let mut stream = SslStream::new(session, stream).unwrap();
    Pin::new(&mut stream).connect().await.unwrap();
    stream
}

#[tokio::test]
async fn tls_is_signed_by_the_test_authority() {
    let authority = Authority::new();
    let script = |_: &_| Answer::json(200, "{}");
    let upstream = Upstream::tls(&authority, Offer::Http1, script).await;
    let mut stream = secure(&authority, &upstream).await;
    assert_eq!(stream.ssl().selected_alpn_protocol(), Some(&b"http/1.1"[..]));
    let request = b"GET / HTTP/1.1\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, request).await.unwrap();
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(upstream.only().version, "HTTP/1.1");
}

#[tokio::test]
async fn http_2_is_spoken_when_offered() {
    let authority = Authority::new();
    let script = |_: &_| Answer::sse(["data: 1\n\n", "data: 2\n\n"]);
    let upstream = Upstream::tls(&authority, Offer::Http2, script).await;
    let stream = secure(&authority, &upstream).await;
    let (mut client, session) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(session);
    let request = http::Request::post("https://localhost/a?b").body(()).unwrap();
    let (response, mut body) = client.send_request(request, false).unwrap();
    body.send_data("hello".into(), true).unwrap();
    let mut answer = response.await.unwrap().into_body();
    let mut text = Vec::new();
    while let Some(data) = answer.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    assert_eq!(text, b"data: 1\n\ndata: 2\n\n");
    let seen = upstream.only();
    assert_eq!((seen.version, seen.target.as_str()), ("HTTP/2", "/a?b"));
    assert_eq!(seen.text(), "hello");
}
