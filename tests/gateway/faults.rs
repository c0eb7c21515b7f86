//! Many requests at once over accounts that break in every way, beside one that works: none fails, none is answered twice.
//!
//! `LEVITY_FAULTS=10000` says how many requests; without it they are few, as every run has to wait for them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use levity::dialects::Dialect;
use parking_lot::Mutex;
use serde_json::json;

use crate::support::client::{Connection, Reply, Request, get, post};
use crate::support::gateway::{Account, Config, Gateway};
use crate::support::samples::{self, MODEL, broke_off};
use crate::support::script::{Answer, Seen};
use crate::support::soon;
use crate::support::upstream::{Upstream, nobody};

const CHAT: Dialect = Dialect::OpenAiChat;
const FEW: usize = 1000;
const AT_ONCE: usize = 64;
/// What was under way when an account was limited arrives there within this.
const UNDER_WAY: Duration = Duration::from_millis(700);

/// How an account breaks, and in which dialect.
fn broken() -> Vec<(&'static str, Dialect, Answer)> {
    let refusal = |status| samples::refusal(CHAT, status, "no");
    let half = Answer::nothing().raw("HTTP/1.1 200 OK\r\ncontent-ty").close();
    let page = Answer::status(200).header("content-type", "text/html").chunk("<html>hello</html>");
    let event = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n";
    let opening = samples::begun(Dialect::Anthropic)[..2].to_vec();
    vec![
        ("refuses-the-key", CHAT, refusal(401)),
        ("forbids", CHAT, refusal(403)),
        ("fails", CHAT, refusal(500)),
        ("is-down", CHAT, refusal(503)),
        ("is-overloaded", Dialect::Anthropic, samples::refusal(Dialect::Anthropic, 529, "no")),
        ("shows-a-page", CHAT, page),
        ("resets", CHAT, Answer::nothing().reset()),
        ("half-a-head", CHAT, half),
        ("error-in-a-200", CHAT, Answer::sse([event])),
        ("empty-stream", CHAT, Answer::sse(["data: [DONE]\n\n"])),
        ("opens-and-ends", Dialect::Anthropic, Answer::sse(opening)),
        ("stalls", CHAT, Answer::nothing().hang()),
        ("cuts-an-answer", CHAT, samples::good(CHAT).chunk("never").close_early()),
    ]
}

/// An account that says when to come back, and how long that is.
fn limited() -> Vec<(&'static str, Dialect, Answer, Duration)> {
    let busy = || samples::refusal(CHAT, 429, "slow down");
    let info = r#"{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED","details":[
        {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3s"}]}}"#;
    let (head, tail) = info.split_at(60);
    let slow_body = Answer::json(429, head.to_owned()).pause(50).chunk(tail.to_owned());
    let seconds = Duration::from_secs;
    vec![
        ("seconds", CHAT, busy().header("retry-after", "3"), seconds(3)),
        (
            "milliseconds",
            CHAT,
            busy().header("retry-after-ms", "2500"),
            Duration::from_millis(2500),
        ),
        ("a-slow-body", Dialect::Gemini, slow_body, seconds(3)),
    ]
}

/// A date is whole seconds, so that it is made for each answer.
#[expect(clippy::disallowed_methods, reason = "providers send wall clock times")]
fn dated() -> Answer {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_secs(4));
    samples::refusal(CHAT, 429, "slow down").header("retry-after", &date)
}

/// When a limited account was asked, as long as the test runs.
type Asked = Arc<Mutex<Vec<Instant>>>;

async fn limiting(answer: impl Fn() -> Answer + Send + Sync + 'static) -> (Upstream, Asked) {
    let asked = Asked::default();
    let upstream = {
        let asked = Arc::clone(&asked);
        Upstream::forgetful(move |_: &Seen| {
            asked.lock().push(Instant::now());
            answer()
        })
        .await
    };
    (upstream, asked)
}

/// Nobody asked within the time that was named, but for what was under way.
fn kept(name: &str, asked: &Asked, named: Duration) {
    let mut since: Option<Instant> = None;
    for at in asked.lock().iter() {
        match since {
            Some(begun) if at.duration_since(begun) < UNDER_WAY => {}
            Some(begun) if at.duration_since(begun) < named => {
                panic!("{name} was asked {:?} after it said {named:?}", at.duration_since(begun))
            }
            Some(_) | None => since = Some(*at),
        }
    }
}

/// The account that works: a stream or an answer, as asked, and how often each request came.
async fn healthy(came: &Arc<Mutex<HashMap<usize, usize>>>) -> Upstream {
    let came = Arc::clone(came);
    Upstream::forgetful(move |seen: &Seen| {
        *came.lock().entry(number(seen)).or_default() += 1;
        if is_stream(seen) { Answer::sse(samples::events(CHAT)) } else { samples::good(CHAT) }
    })
    .await
}

fn is_stream(seen: &Seen) -> bool {
    memchr::memmem::find(&seen.body, b"\"stream\":true").is_some()
}

/// The number that a request carries in its text.
fn number(seen: &Seen) -> usize {
    let at = memchr::memmem::find(&seen.body, b"number ").unwrap() + "number ".len();
    let digits = seen.body[at..].iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'))
}

/// Requests of all dialects, whole and streamed, mostly small and now and then a megabyte.
fn request(number: usize) -> (Dialect, bool, Request) {
    let (dialect, stream) = (Dialect::ALL[number % 4], number / 4 % 2 == 1);
    let size = match number % 50 {
        49 => 1 << 20,
        size if size % 10 == 9 => 100_000,
        size => 1_000 + size * 100,
    };
    let text = format!("number {number} {}", "x".repeat(size));
    let plain =
        if stream { samples::stream_call(dialect, MODEL) } else { samples::call(dialect, MODEL) };
    let body = String::from_utf8(plain.body.to_vec()).unwrap().replace("hello", &text);
    (dialect, stream, post(plain.target, body))
}

/// Whether a request was answered; else its stream was cut, and says so.
fn answered(dialect: Dialect, stream: bool, reply: &Reply) -> bool {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let text = reply.text();
    if !stream {
        assert!(text.contains("one two three"), "{text}");
        return true;
    }
    if text.contains("three") {
        assert_eq!(text.matches("\"one \"").count(), 1, "answered once: {text}");
        return true;
    }
    broke_off(dialect, &text);
    false
}

/// All accounts, the gateway over them, and what came of it upstream.
struct Scene {
    config: Config,
    upstreams: Vec<Upstream>,
    limits: Vec<(&'static str, Asked, Duration)>,
    /// How often each request came to the account that works.
    came: Arc<Mutex<HashMap<usize, usize>>>,
    /// Streams that were cut.
    cut: Arc<AtomicUsize>,
}

impl Scene {
    async fn new() -> Self {
        // As many attempts as there are accounts: what is tried here is that each failure leads on.
        let config = Config::new()
            .env("LEVITY_CONSOLE_ENABLED", "true")
            .set("console", "port", 0)
            .set("pool", "max_attempts", 20)
            .set("pool", "scheduling", "balance")
            .set("proxy", "timeouts", json!({ "first_byte": "2s", "idle": "2s" }))
            .account(Account::new("nobody", CHAT, &nobody().await));
        let mut scene = Self {
            config,
            upstreams: Vec::new(),
            limits: Vec::new(),
            came: Arc::default(),
            cut: Arc::default(),
        };
        for (name, dialect, answer) in broken() {
            let upstream = Upstream::forgetful(move |_: &Seen| answer.clone()).await;
            scene.add(name, dialect, upstream);
        }
        for (name, dialect, answer, named) in limited() {
            scene.limit(name, dialect, limiting(move || answer.clone()).await, named);
        }
        scene.limit("a-date", CHAT, limiting(dated).await, Duration::from_secs(3));
        scene.add("cuts-a-stream", CHAT, cutting(&scene.cut).await);
        scene.add("works", CHAT, healthy(&scene.came).await);
        scene
    }

    fn add(&mut self, name: &str, dialect: Dialect, upstream: Upstream) {
        let account = Account::new(name, dialect, &upstream.url());
        self.config = self.config.clone().account(account);
        self.upstreams.push(upstream);
    }

    fn limit(
        &mut self,
        name: &'static str,
        dialect: Dialect,
        (upstream, asked): (Upstream, Asked),
        named: Duration,
    ) {
        self.limits.push((name, asked, named));
        self.add(name, dialect, upstream);
    }

    /// Checks that each request that was answered whole was answered once, and that no limit was passed.
    async fn check(&self, whole: &[usize], broken_off: usize) {
        assert!(broken_off <= self.cut.load(Ordering::Relaxed), "{broken_off} streams were cut");
        for number in whole {
            let times = self.came.lock().get(number).copied();
            assert_eq!(times, Some(1), "request {number} at the account that works");
        }
        for (name, asked, named) in &self.limits {
            assert!(!asked.lock().is_empty(), "{name} was never asked");
            kept(name, asked, *named);
        }
        for upstream in &self.upstreams {
            upstream.idle().await;
        }
    }
}

/// Streams break off after their first text; what is no stream breaks before it.
async fn cutting(cut: &Arc<AtomicUsize>) -> Upstream {
    let cut = Arc::clone(cut);
    Upstream::forgetful(move |seen: &Seen| {
        if !is_stream(seen) {
            return Answer::nothing().close();
        }
        cut.fetch_add(1, Ordering::Relaxed);
        Answer::sse(samples::begun(CHAT)).reset()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_one_account_works() {
    none_fails(Scene::new().await).await;
}

/// The same where every request may ask a second account, soon enough that many do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_second_accounts_are_asked() {
    let mut scene = Scene::new().await;
    let hedge = json!({ "after": "20ms", "budget": "100%" });
    scene.config = scene.config.clone().set("pool", "hedge", hedge);
    let hedged = none_fails(scene).await;
    assert!(hedged > 0, "nobody asked a second account");
}

/// Sends all requests, and checks what came of them; gives how many asked a second account.
async fn none_fails(scene: Scene) -> usize {
    let requests = count();
    let gateway = Gateway::start(&scene.config).await;
    let next = AtomicUsize::new(0);
    let client = || async {
        let mut connection = gateway.connect().await;
        let mut whole = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= requests {
                return whole;
            }
            let (dialect, stream, request) = request(number);
            let reply = send(&mut connection, &gateway, &request).await;
            if answered(dialect, stream, &reply) {
                whole.push(number);
            }
        }
    };
    let whole: Vec<usize> = join_all((0..AT_ONCE).map(|_| client())).await.concat();
    scene.check(&whole, requests - whole.len()).await;
    nothing_is_left(&gateway).await
}

/// Waits until the gateway's own counts say that nothing is under way; gives how many second accounts they tell of.
async fn nothing_is_left(gateway: &Gateway) -> usize {
    let said = gateway.stdout();
    let (_, console) = said.split_once("console      http://").unwrap();
    let console: SocketAddr = console.lines().next().unwrap().trim().parse().unwrap();
    let counts = ["levity_requests_open", "levity_requests_waiting", "levity_account_in_flight"];
    let is_count = |line: &&str| counts.iter().any(|count| line.starts_with(count));
    soon("the last request's end", async {
        loop {
            let mut connection = Connection::open(console).await.unwrap();
            let metrics = connection.send(&get("/metrics")).await.unwrap().text();
            let lines: Vec<&str> = metrics.lines().filter(is_count).collect();
            assert!(lines.len() > 20, "an account has a count each: {lines:?}");
            if lines.iter().all(|line| line.ends_with(" 0")) {
                let hedges = metrics.lines().filter(|line| line.starts_with("levity_hedges_total"));
                let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
                return hedges.map(count).sum();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

fn count() -> usize {
    let mut variables = std::env::vars();
    let wanted = variables.find(|(name, _)| name == "LEVITY_FAULTS");
    wanted.map_or(FEW, |(_, count)| count.parse().unwrap())
}

/// Sends on the connection, or on a new one where the gateway closed it after a stream that broke off.
async fn send(connection: &mut Connection, gateway: &Gateway, request: &Request) -> Reply {
    if let Ok(reply) = connection.send(request).await {
        return reply;
    }
    *connection = gateway.connect().await;
    connection.send(request).await.unwrap()
}
