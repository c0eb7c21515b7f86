//! The downstream session that replays a body and holds an answer back.
//!
//! Pingora replays a request body of at most 64 KiB to a second upstream, and sends a response head to the client the
//! moment it has it. This session stands between Pingora and the client's real one: it says that the body is read
//! already, and it keeps the response back until the gateway knows that the answer has begun. What Pingora 0.9.1 relies
//! on is said at each method; the trait is hidden from its documentation, so it is implemented here and nowhere else.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::HttpTask;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::custom::CustomMessageWrite;
use pingora::protocols::http::custom::server::Session as CustomSession;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::{Error, ErrorType, Result};
use pingora_timeout::fast_timeout::fast_sleep;

use super::cork::Cork;
use super::hedge::{Event, Hedge};
use super::live::Cut;

/// The upstream kept silent for longer than it may.
pub const STALLED: ErrorType = ErrorType::Custom("upstream stalled");
/// The gateway is being stopped, and the request's time is over.
pub const STOPPED: ErrorType = ErrorType::Custom("gateway stopped");
/// The upstream's answer ended while it was still held back.
pub const ENDED_EARLY: ErrorType = ErrorType::Custom("answer ended before it began");

/// A second account, asked beside the one at hand, has begun its answer, or failed with nobody else left.
pub const OVERTAKEN: ErrorType = ErrorType::Custom("another account began first");

/// A request looks so often whether it is to be cut off.
const LOOK_UP: Duration = Duration::from_secs(1);

/// What the exchange and its session tell each other.
pub struct Gate {
    /// Whether the response is kept back.
    held: AtomicBool,
    /// Deadlines count from here.
    start: Instant,
    /// When the upstream has kept silent for too long, in milliseconds from `start`.
    deadline: AtomicU64,
    /// The head to send before what comes next.
    head: Mutex<Option<Box<ResponseHeader>>>,
    /// Whether the client has got a head already, and words that mean nothing, to keep its connection alive.
    alive: AtomicBool,
    /// Where the real session is left when this one is dropped.
    home: Mutex<Option<Box<ServerSession>>>,
    /// Whether the connection to the upstream keeps back what is written.
    pub cork: Cork,
    /// The second account, as long as it is one.
    hedge: Mutex<Option<Box<Hedge>>>,
}

impl Gate {
    /// A gate that holds, with no deadline, for a request that began at `start`.
    pub fn new(start: Instant) -> Self {
        Self {
            held: AtomicBool::new(true),
            start,
            deadline: AtomicU64::new(u64::MAX),
            head: Mutex::new(None),
            alive: AtomicBool::new(false),
            home: Mutex::new(None),
            cork: Cork::default(),
            hedge: Mutex::new(None),
        }
    }

    /// Keeps the response back: an attempt begins. The upstream has `patience` to begin its answer.
    pub fn hold(&self, patience: Duration) {
        self.cork.forget();
        self.held.store(true, Ordering::Relaxed);
        self.wait(patience);
    }

    /// Lets the response go: the answer has begun, with this head.
    pub fn open(&self, head: Box<ResponseHeader>) {
        *self.head.lock() = Some(head);
        self.held.store(false, Ordering::Relaxed);
    }

    /// Whether the response is kept back.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether the client has got the head of a stream, though no answer has begun: what comes now is said in that stream.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    /// The upstream has `patience` from now to send something. Gives the time since the start.
    pub fn wait(&self, patience: Duration) -> Duration {
        let elapsed = self.start.elapsed();
        let deadline = elapsed.saturating_add(patience).as_millis();
        self.deadline.store(u64::try_from(deadline).unwrap_or(u64::MAX), Ordering::Relaxed);
        elapsed
    }

    /// The upstream is at work: it has at least `patience` from now.
    pub fn extend(&self, patience: Duration) {
        let deadline = self.start.elapsed().saturating_add(patience).as_millis();
        self.deadline.fetch_max(u64::try_from(deadline).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The real session, once its replay is dropped.
    pub fn take_home(&self) -> Option<Box<ServerSession>> {
        self.home.lock().take()
    }

    /// Leaves a second account with the session, which asks it when it is time, and hears it.
    pub fn set_hedge(&self, hedge: Box<Hedge>) {
        *self.hedge.lock() = Some(hedge);
    }

    /// The second account, which is no longer heard.
    pub fn take_hedge(&self) -> Option<Box<Hedge>> {
        self.hedge.lock().take()
    }

    /// Resolves when something is to be done about the second account.
    async fn hedge(&self) -> Event {
        let poll = |context: &mut Context<'_>| {
            self.hedge.lock().as_mut().map_or(Poll::Pending, |hedge| hedge.poll(context))
        };
        std::future::poll_fn(poll).await
    }

    fn deadline(&self) -> Instant {
        let after = Duration::from_millis(self.deadline.load(Ordering::Relaxed));
        crate::clock::add(self.start, after)
    }
}

/// The session that Pingora sees.
pub struct Replay {
    inner: Box<ServerSession>,
    gate: Arc<Gate>,
    /// Whether the request has a body at all.
    has_body: bool,
    /// Whether the head is on its way.
    begun: bool,
    timer: Option<Timer>,
    keepalive: Option<Keepalive>,
    cut: Option<Cut>,
    /// Whether there may be a second account.
    hedges: bool,
}

/// What a client that waits for a stream is told now and then, so that nothing on the way to it gives the connection up.
pub struct Keepalive {
    every: Duration,
    words: Bytes,
    head: Box<ResponseHeader>,
    timer: Option<Timer>,
}

/// A comment: parsers of event streams pass it over.
/// <https://html.spec.whatwg.org/multipage/server-sent-events.html#authoring-notes>
pub const COMMENT: Bytes = Bytes::from_static(b": keep-alive\n\n");
/// For parsers that know no comments: the ends of events without data.
pub const BLANK_LINES: Bytes = Bytes::from_static(b"\r\n\r\n");

impl Keepalive {
    /// These words whenever so long has passed, under this head.
    pub const fn new(every: Duration, words: Bytes, head: Box<ResponseHeader>) -> Self {
        Self { every, words, head, timer: None }
    }

    /// Resolves when it is time for the next one.
    async fn due(keepalive: Option<&mut Self>) {
        let Some(Self { every, timer, .. }) = keepalive else {
            return std::future::pending().await;
        };
        let timer = timer.get_or_insert_with(|| Timer::new(Instant::now() + *every));
        timer.sleep.as_mut().await;
    }
}

/// A sleep and when it ends. Pingora's own timers are shared by all requests of the same 10 ms and wake nobody up when
/// they are set; one of tokio's costs two system calls a request.
struct Timer {
    fires: Instant,
    sleep: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Timer {
    fn new(fires: Instant) -> Self {
        let wait = fires.saturating_duration_since(Instant::now());
        Self { fires, sleep: Box::pin(fast_sleep(wait)) }
    }
}

impl Replay {
    /// Takes the place of `session`, whose body has been read.
    pub fn install(
        session: &mut Box<ServerSession>,
        gate: Arc<Gate>,
        has_body: bool,
        (keepalive, cut, hedges): (Option<Keepalive>, Option<Cut>, bool),
    ) {
        let placeholder = Box::new(ServerSession::new_custom(Box::new(())));
        let inner = std::mem::replace(session, placeholder);
        let (begun, timer) = (false, None);
        let replay = Self { inner, gate, has_body, begun, timer, keepalive, cut, hedges };
        **session = ServerSession::new_custom(Box::new(replay));
    }

    /// Puts the real session back in its place, where it is not there already: a request may end before it asks an account.
    pub fn uninstall(session: &mut Box<ServerSession>, gate: &Gate) {
        if !session.is_custom() {
            return;
        }
        // Dropping the replay leaves the real session in the gate.
        **session = ServerSession::new_custom(Box::new(()));
        if let Some(inner) = gate.take_home() {
            *session = inner;
        }
    }

    /// Resolves when the upstream has kept silent for too long, or the gateway cuts the request off, with which of the two
    /// it is. The deadline moves with every event, the timer only when it fires: moving it costs more than the rest of an
    /// event.
    async fn patience(timer: &mut Option<Timer>, gate: &Gate, cut: Option<&Cut>) -> ErrorType {
        loop {
            let deadline = gate.deadline();
            let running = match timer {
                Some(timer) if timer.fires <= deadline => timer,
                Some(_) | None => {
                    // One that fires before the deadline is set anew.
                    timer.insert(Timer::new(deadline.min(Instant::now() + LOOK_UP)))
                }
            };
            running.sleep.as_mut().await;
            *timer = None;
            if cut.is_some_and(Cut::is_due) {
                return STOPPED;
            }
            if Instant::now() >= gate.deadline() {
                return STALLED;
            }
        }
    }

    /// Tells a waiting client that it is not forgotten.
    async fn say_alive(&mut self) -> Result<()> {
        let Some(keepalive) = &mut self.keepalive else { return Ok(()) };
        keepalive.timer = None;
        if !self.gate.alive.swap(true, Ordering::Relaxed) {
            self.inner.write_response_header(keepalive.head.clone()).await?;
        }
        self.inner.write_response_body(keepalive.words.clone(), false).await
    }

    /// Drops what the gateway has taken in; a response that ends meanwhile is an error.
    fn keep_back(tasks: Vec<HttpTask>) -> Result<bool> {
        for task in tasks {
            match task {
                HttpTask::Header(head, end) if end && !head.status.is_informational() => {
                    return Error::e_explain(ENDED_EARLY, "no body");
                }
                HttpTask::Header(..) | HttpTask::Body(..) | HttpTask::UpgradedBody(..) => {}
                HttpTask::Trailer(_) | HttpTask::Done => {
                    return Error::e_explain(ENDED_EARLY, "end of stream");
                }
                HttpTask::Failed(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        let placeholder = Box::new(ServerSession::new_custom(Box::new(())));
        let inner = std::mem::replace(&mut self.inner, placeholder);
        *self.gate.home.lock() = Some(inner);
    }
}

#[async_trait]
impl CustomSession for Replay {
    fn req_header(&self) -> &RequestHeader {
        self.inner.req_header()
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.inner.req_header_mut()
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write_response_header(&mut self, head: Box<ResponseHeader>, _end: bool) -> Result<()> {
        self.inner.write_response_header(head).await
    }

    async fn write_response_header_ref(&mut self, head: &ResponseHeader, _end: bool) -> Result<()> {
        self.inner.write_response_header_ref(head).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.inner.write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.inner.write_response_trailers(trailers).await
    }

    /// The proxy loop's only way to the client: `Ok(true)` ends the response.
    async fn response_duplex_vec(&mut self, mut tasks: Vec<HttpTask>) -> Result<bool> {
        if self.gate.is_held() {
            return Self::keep_back(tasks);
        }
        if !self.begun {
            self.begun = true;
            // The upstream's own head has been replaced by the gateway's.
            tasks.retain(|task| !matches!(task, HttpTask::Header(..)));
            let head = self.gate.head.lock().take().filter(|_| !self.gate.is_alive());
            if let Some(head) = head {
                tasks.insert(0, HttpTask::Header(head, false));
            }
        }
        self.inner.response_duplex_vec(tasks).await
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_read_timeout(timeout);
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.inner.get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_write_timeout(timeout);
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.inner.get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        self.inner.set_total_drain_timeout(timeout);
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.inner.get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.inner.request_summary()
    }

    /// A head that only kept the connection alive is none: another account may still be asked.
    fn response_written(&self) -> Option<&ResponseHeader> {
        self.inner.response_written().filter(|_| !self.gate.is_held())
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        self.inner.shutdown().await;
    }

    /// The gateway has read it all. With this the proxy loop hands the retry buffer to `request_body_filter` as the whole
    /// body, once per attempt.
    fn is_body_done(&mut self) -> bool {
        true
    }

    async fn finish(&mut self) -> Result<()> {
        self.inner.finish_body().await
    }

    fn is_body_empty(&mut self) -> bool {
        !self.has_body
    }

    /// Polled all through an attempt: it is how a client that leaves is noticed, and an upstream that stalls.
    async fn read_body_or_idle(&mut self, _no_body_expected: bool) -> Result<Option<Bytes>> {
        self.gate.cork.pull().await;
        loop {
            let Self { inner, gate, timer, keepalive, cut, hedges, .. } = self;
            let event = tokio::select! {
                biased;
                read = inner.read_body_or_idle(true) => return read,
                over = Self::patience(timer, gate, cut.as_ref()) => {
                    return Error::e_explain(over, "time is over");
                }
                () = Keepalive::due(keepalive.as_mut()), if gate.is_held() => None,
                event = gate.hedge(), if *hedges && gate.is_held() => Some(event),
            };
            match event {
                None => self.say_alive().await?,
                Some(Event::Due) => {
                    if let Some(hedge) = &mut *gate.hedge.lock() {
                        hedge.ask(self.inner.req_header());
                    }
                }
                Some(Event::Decided) => return Error::e_explain(OVERTAKEN, "by a hedge"),
            }
        }
    }

    fn body_bytes_sent(&self) -> usize {
        self.inner.body_bytes_sent()
    }

    fn body_bytes_read(&self) -> usize {
        self.inner.body_bytes_read()
    }

    fn digest(&self) -> Option<&Digest> {
        self.inner.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.inner.digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.inner.client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.inner.server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.inner.to_h1_raw()
    }

    fn enable_retry_buffering(&mut self) {}

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    /// A token: `request_body_filter` puts the attempt's own body in its place.
    fn get_retry_buffer(&self) -> Option<Bytes> {
        self.has_body.then(|| Bytes::from_static(b"-"))
    }

    async fn finish_custom(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn futures::Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>>
    {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn futures::Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(
        &mut self,
        _writer: Box<dyn CustomMessageWrite>,
    ) -> Result<()> {
        Ok(())
    }
}
