//! A scripted provider on loopback: records what it gets, and answers as it was told.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_openssl::SslStream;

use super::script::{Answer, Seen, Step};
use super::tls::{Authority, Offer};
use super::wire::{Reader, Rest};
use super::{eventually, within};

/// Requests one after the other that keep their connection make fewer connections than this. Not always one: now and
/// then Pingora's idle watcher still holds a connection that is wanted, and another one is opened instead.
pub(crate) const SOME_LOST: usize = 5;

type Script = dyn Fn(&Seen) -> Answer + Send + Sync;

/// A running scripted provider; it ends with the test.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    listener: JoinHandle<()>,
}

pub(super) struct Shared {
    script: Box<Script>,
    /// Whether requests are kept to be looked at.
    remembers: bool,
    record: Mutex<Record>,
}

#[derive(Default)]
struct Record {
    seen: Vec<Seen>,
    /// One entry a connection: whether it has ended.
    ended: Vec<bool>,
    /// Requests that are being answered, and the most of them at any time.
    answering: usize,
    most: usize,
}

impl Upstream {
    /// Answers each request as `script` says.
    pub(crate) async fn new(script: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(Box::new(script), true).await
    }

    /// The same, but for very many requests: it does not keep them.
    pub(crate) async fn forgetful(
        script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Box::new(script), false).await
    }

    async fn listen(script: Box<Script>, remembers: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let shared = Arc::new(Shared { script, remembers, record: Mutex::default() });
        let address = listener.local_addr().unwrap();
        let listener = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, scheme: "http", shared, listener }
    }

    /// Answers each request in the same way.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::new(move |_| answer.clone()).await
    }

    /// Answers the first request with the first answer, and so on; the last one goes on for ever.
    pub(crate) async fn in_turn(answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Self::new(move |_| {
            let mut answers = answers.lock();
            if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap()
        })
        .await
    }

    /// The same over TLS, with a certificate for `localhost` that `authority` signed.
    pub(crate) async fn tls(
        authority: &Authority,
        offer: Offer,
        script: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let script = Box::new(script);
        let shared = Arc::new(Shared { script, remembers: true, record: Mutex::default() });
        let address = listener.local_addr().unwrap();
        let acceptor = authority.acceptor(offer);
        let listener = tokio::spawn(super::tls::accept(listener, acceptor, Arc::clone(&shared)));
        Self { address, scheme: "https", shared, listener }
    }

    /// Its root, without a path.
    pub(crate) fn url(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.address.port()),
            scheme => format!("{scheme}://{}", self.address),
        }
    }

    /// Every request so far, in order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.record.lock().seen.clone()
    }

    /// How many requests came so far.
    pub(crate) fn count(&self) -> usize {
        self.shared.record.lock().seen.len()
    }

    /// The one request that came; fails the test when there were more, or none.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "requests upstream");
        seen.remove(0)
    }

    /// The credentials of the requests so far, in order.
    pub(crate) fn credentials(&self) -> Vec<String> {
        self.seen().iter().map(Seen::credential).collect()
    }

    /// How many connections were opened so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.record.lock().ended.len()
    }

    /// The most requests that were being answered at any time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.shared.record.lock().most
    }

    /// Waits until `count` requests have come.
    pub(crate) async fn reached(&self, count: usize) {
        eventually("the request upstream", || (self.count() >= count).then_some(())).await;
    }

    /// Waits until no request is being answered.
    pub(crate) async fn idle(&self) {
        let idle = || (self.shared.record.lock().answering == 0).then_some(());
        eventually("the end of every request upstream", idle).await;
    }

    /// Waits until the gateway has closed every connection to it, which it must do within a second.
    pub(crate) async fn left(&self) {
        let gone = || self.shared.record.lock().ended.iter().all(|ended| *ended).then_some(());
        let limit = std::time::Duration::from_secs(1);
        within(limit, "leaving the upstream", eventually("leaving the upstream", gone)).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A URL on loopback where nobody listens.
pub(crate) async fn nobody() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).ok();
        tokio::spawn(converse(stream, Arc::clone(&shared)));
    }
}

impl Shared {
    pub(super) fn opened(&self) -> usize {
        let mut record = self.record.lock();
        record.ended.push(false);
        record.ended.len() - 1
    }

    pub(super) fn ended(&self, connection: usize) {
        self.record.lock().ended[connection] = true;
    }

    /// Notes the request, and says how it is answered.
    pub(super) fn asked(&self, seen: Seen) -> Answer {
        let answer = (self.script)(&seen);
        let mut record = self.record.lock();
        if self.remembers {
            record.seen.push(seen);
        }
        record.answering += 1;
        record.most = record.most.max(record.answering);
        answer
    }

    /// Notes that a request is no longer being answered.
    pub(super) fn answered(&self) {
        self.record.lock().answering -= 1;
    }
}

/// Serves one HTTP/1.1 connection until either side has had enough.
pub(super) async fn converse<S: Duplex>(stream: S, shared: Arc<Shared>) {
    let connection = shared.opened();
    let mut reader = Reader::new(stream);
    let mut turn = 0;
    while let Ok(Some(seen)) = hear(&mut reader, connection, turn).await {
        let answer = shared.asked(seen);
        let played = play(&answer, &mut reader, &shared).await;
        if played.is_err() || !answer.keeps_alive() {
            break;
        }
        turn += 1;
    }
    shared.ended(connection);
}

async fn hear<S: Duplex>(
    reader: &mut Reader<S>,
    connection: usize,
    turn: usize,
) -> io::Result<Option<Seen>> {
    let Some(head) = reader.request().await? else { return Ok(None) };
    if head.headers.get("expect").is_some() {
        reader.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = reader.whole(Rest::of_request(&head.headers)).await?;
    Ok(Some(Seen {
        connection,
        turn,
        version: "HTTP/1.1",
        method: head.method,
        target: head.target,
        headers: head.headers,
        body,
    }))
}

/// Does what the script says; an error means that the connection is of no more use.
async fn play<S: Duplex>(
    answer: &Answer,
    reader: &mut Reader<S>,
    shared: &Shared,
) -> io::Result<()> {
    let played = take_steps(answer, reader).await;
    // Before the peer can know that it was the last: its next request is none beside this one.
    shared.answered();
    played?;
    write(reader, Bytes::from_static(answer.trailer())).await
}

async fn take_steps<S: Duplex>(answer: &Answer, reader: &mut Reader<S>) -> io::Result<()> {
    for step in &answer.steps {
        match step {
            Step::Head => write(reader, answer.head().into()).await?,
            Step::Chunk(data) => write(reader, answer.framed(data)).await?,
            Step::Raw(bytes) => write(reader, bytes.clone()).await?,
            Step::Pause(time) => unless_gone(reader, tokio::time::sleep(*time)).await?,
            Step::Wait(gate) => unless_gone(reader, gate.passed()).await?,
            Step::Hang => unless_gone(reader, std::future::pending()).await?,
            Step::Close => return Err(io::ErrorKind::ConnectionAborted.into()),
            Step::Reset => {
                reader.stream.reset();
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }
    Ok(())
}

async fn write<S: Duplex>(reader: &mut Reader<S>, bytes: Bytes) -> io::Result<()> {
    reader.stream.write_all(&bytes).await?;
    reader.stream.flush().await
}

/// Waits for `future`, unless the peer closes first.
async fn unless_gone<S: Duplex>(
    reader: &mut Reader<S>,
    future: impl Future<Output = ()>,
) -> io::Result<()> {
    tokio::select! {
        () = future => Ok(()),
        () = reader.closed() => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// A connection that can also be broken off.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the coming close a reset.
    fn reset(&mut self);
}

impl Duplex for TcpStream {
    fn reset(&mut self) {
        self.set_zero_linger().ok();
    }
}

impl Duplex for SslStream<TcpStream> {
    fn reset(&mut self) {
        self.get_ref().set_zero_linger().ok();
    }
}
