//! What the whole gateway costs, as a multiple of the framework under it: the CPU time of a `levity` process for a request
//! and for an event, beside that of a bare Pingora pass-through between the same load and the same upstream.
//!
//! `cargo bench --bench gateway`, or with a client's dialect: `cargo bench --bench gateway -- anthropic`. Windows are
//! short and interleaved, and the medians are compared, so that other work on the machine hits both alike.
//!
//! `cargo bench --bench gateway -- log` compares the gateway with its request log on and off, at 5,000 requests a second.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench may panic, and prints its table"
)]

mod samples;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use levity::dialects::Dialect;
use parking_lot::Mutex;
use pingora::listeners::ListenerConfig;
use pingora::prelude::{HttpPeer, ProxyHttp, Session, http_proxy_service};
use pingora::server::{Fds, configuration::ServerConf};
use pingora::services::Service as _;
use samples::Size;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events of a stream.
const EVENTS: usize = 200;
/// Windows of a case for each gateway, and how long one is.
const ROUNDS: usize = 7;
const WINDOW: Duration = Duration::from_millis(250);
/// No run takes longer.
const LONGEST: Duration = Duration::from_mins(2);
/// The request log: windows, requests a second, how long a window is, and how long after it the last of them are written.
const LOG_ROUNDS: usize = 20;
const RATE: u32 = 5000;
const PACED: Duration = Duration::from_secs(1);
const WRITTEN: Duration = Duration::from_millis(500);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match *words {
        ["mock"] => runtime.block_on(mock()),
        ["pass", upstream] => pass(upstream.parse().unwrap()),
        _ if words.contains(&"log") => {
            let in_time = async { tokio::time::timeout(LONGEST, compare_log()).await };
            assert!(runtime.block_on(in_time).is_ok(), "not done in {LONGEST:?}");
        }
        _ => {
            let named = Dialect::ALL.into_iter().find(|dialect| words.contains(&dialect.name()));
            let compared = compare(named.unwrap_or(Dialect::OpenAiChat));
            let in_time = runtime.block_on(async { tokio::time::timeout(LONGEST, compared).await });
            assert!(in_time.is_ok(), "not done in {LONGEST:?}");
        }
    }
}

/// What is asked, over and over.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    size: Size,
    stream: bool,
    connections: usize,
}

const CASES: [Case; 3] = [
    Case { name: "small request", size: Size::Small, stream: false, connections: 32 },
    Case { name: "large request", size: Size::Large, stream: false, connections: 8 },
    Case { name: "stream, an event", size: Size::Small, stream: true, connections: 16 },
];

/// Prints the table.
async fn compare(client: Dialect) {
    let own = std::env::current_exe().unwrap();
    let mock = Started::new(1, &own, &["mock"]);
    let pass = Started::new(0, &own, &["pass", &mock.address.to_string()]);
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("levity.yaml");
    std::fs::write(&config, configuration(mock.address)).unwrap();
    let levity = Path::new(env!("CARGO_BIN_EXE_levity"));
    let levity = Started::new(0, levity, &["run", "--config", config.to_str().unwrap()]);
    pin(1, std::process::id());
    println!("CPU time, µs                              pass-through   levity    ratio");
    for account in Dialect::ALL {
        for case in CASES {
            let direct = wire_request(client, client, case);
            let through = wire_request(client, account, case);
            check(pass.address, &direct, case).await;
            check(levity.address, &through, case).await;
            let (mut floor, mut cost) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                floor.push(pass.cost(&direct, case).await);
                cost.push(levity.cost(&through, case).await);
            }
            let (floor, cost) = (median(floor), median(cost));
            let name = format!("{client} to {account}");
            let (case, ratio) = (case.name, cost / floor);
            println!("{name:<34}{case:<17}{floor:>9.1}{cost:>9.1}{ratio:>9.2}");
        }
    }
}

/// Prints what the request log adds to a request: the CPU time of whole processes, with the log on beside with it off, and
/// with it off beside off, which says how much of a difference is chance. The log is full, so that for what comes something
/// leaves.
async fn compare_log() {
    let own = std::env::current_exe().unwrap();
    let mock = Started::new(1, &own, &["mock"]);
    let homes = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let start = |home: &Path, enabled: bool| {
        let config = home.join("levity.yaml");
        let monitor = format!("monitor: {{ enabled: {enabled}, retention: {{ rows: 8000 }} }}\n");
        std::fs::write(&config, configuration(mock.address) + &monitor).unwrap();
        let levity = Path::new(env!("CARGO_BIN_EXE_levity"));
        Started::at(0, levity, &["run", "--config", config.to_str().unwrap()], home)
    };
    let [off, again, on] = [false, false, true];
    let gateways = [(&homes[0], off), (&homes[1], again), (&homes[2], on)]
        .map(|(home, enabled)| start(home.path(), enabled));
    pin(1, std::process::id());
    let request = wire_request(Dialect::OpenAiChat, Dialect::OpenAiChat, CASES[0]);
    let mut costs: [Vec<f64>; 3] = [const { Vec::new() }; 3];
    println!("CPU time of a request, µs, at {RATE} a second");
    println!("log off  off again  on     off again / off  on / off");
    // The first round warms up.
    for round in 0..=LOG_ROUNDS {
        let mut cost = [0.0; 3];
        // Each is now before and now after the others.
        for turn in 0..3 {
            let place = (turn + round) % 3;
            cost[place] = gateways[place].paced_cost(&request).await;
        }
        if round > 0 {
            print_costs(cost);
            costs.iter_mut().zip(cost).for_each(|(costs, cost)| costs.push(cost));
        }
    }
    println!("medians");
    print_costs(costs.clone().map(median));
    // Whatever else the machine does adds to a window's cost: the cheapest quarter saw least of it.
    println!("quartiles");
    print_costs(costs.map(quartile));
}

fn print_costs([off, again, on]: [f64; 3]) {
    println!("{off:<8.1} {again:<10.1} {on:<6.1} {:<16.3} {:.3}", again / off, on / off);
}

fn configuration(mock: SocketAddr) -> String {
    let mut config =
        "console: { enabled: false }\nproxy: { port: 0, auth_mode: \"off\", threads: 1 }\naccounts:\n"
            .to_owned();
    for dialect in Dialect::ALL {
        let version = match dialect {
            Dialect::OpenAiChat | Dialect::OpenAiResponses => "/v1",
            Dialect::Anthropic | Dialect::Gemini => "",
        };
        let _ = writeln!(
            config,
            "  - {{ name: {dialect}, provider: custom, dialect: {dialect}, base_url: \"http://{mock}{version}\", api_key: sk-mock-0001, models: [\"{dialect}\"] }}"
        );
    }
    config
}

fn wire_request(client: Dialect, account: Dialect, case: Case) -> Vec<u8> {
    let body = samples::request(client, account.name(), case.size, case.stream);
    let path = match (client, case.stream) {
        (Dialect::OpenAiChat, _) => "/v1/chat/completions".to_owned(),
        (Dialect::OpenAiResponses, _) => "/v1/responses".to_owned(),
        (Dialect::Anthropic, _) => "/v1/messages".to_owned(),
        (Dialect::Gemini, false) => format!("/v1beta/models/{account}:generateContent"),
        (Dialect::Gemini, true) => {
            format!("/v1beta/models/{account}:streamGenerateContent?alt=sse")
        }
    };
    let mut request = format!(
        "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\nuser-agent: bench\r\naccept: */*\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// A process of this bench, ended when it is dropped.
struct Started {
    child: Child,
    address: SocketAddr,
    /// Open for as long as the process may want to say more.
    _said: BufReader<ChildStdout>,
}

impl Started {
    /// Starts a program that says first at which address it is.
    fn new(core: usize, program: &Path, arguments: &[&str]) -> Self {
        Self::at(core, program, arguments, Path::new(""))
    }

    /// The same with a home folder, where it keeps its files; without one it keeps none.
    fn at(core: usize, program: &Path, arguments: &[&str], home: &Path) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("HOME", home)
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(tempfile::tempfile().unwrap())
            .spawn()
            .unwrap();
        pin(core, child.id());
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let address = line.trim().rsplit_once("http://").map(|(_, address)| address.parse());
        let Some(Ok(address)) = address else { panic!("{} said {line:?}", program.display()) };
        Self { child, address, _said: said }
    }

    /// The CPU time that all its threads have had.
    fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = threads.map(|thread| {
            let path = thread.unwrap().path().join("schedstat");
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Microseconds of CPU time for one request of those that come at a steady rate, what is done behind them included.
    async fn paced_cost(&self, request: &[u8]) -> f64 {
        let before = self.cpu();
        let answered = paced(self.address, request).await;
        tokio::time::sleep(WRITTEN).await;
        let spent = self.cpu().checked_sub(before).unwrap().as_secs_f64() * 1e6;
        spent / f64::from(u32::try_from(answered).unwrap())
    }

    /// Microseconds of CPU time for one request, or for one event of a stream, over a window.
    async fn cost(&self, request: &[u8], case: Case) -> f64 {
        let before = self.cpu();
        let answered = load(self.address, request, case.connections).await;
        let spent = self.cpu().checked_sub(before).unwrap().as_secs_f64() * 1e6;
        let per_answer = if case.stream { EVENTS } else { 1 };
        spent / f64::from(u32::try_from(answered * per_answer).unwrap())
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Binds a process to a core, where the machine has two and `taskset`.
fn pin(core: usize, process: u32) {
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() > core) {
        let arguments = ["-a", "-c", "-p", &core.to_string(), &process.to_string()];
        let _ = Command::new("taskset").args(arguments).stdout(Stdio::null()).status();
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The number that a quarter of them does not reach.
fn quartile(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 4]
}

/// Asks on so many connections at once for a window; gives the number of answers.
async fn load(address: SocketAddr, request: &[u8], connections: usize) -> usize {
    let until = Instant::now() + WINDOW;
    let ask = || async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut answer, mut answers) = (Vec::with_capacity(128 * 1024), 0);
        while Instant::now() < until {
            exchange(&mut stream, request, &mut answer).await;
            answers += 1;
        }
        answers
    };
    futures::future::join_all((0..connections).map(|_| ask())).await.into_iter().sum()
}

/// Asks at a steady rate for a window; gives the number of answers.
async fn paced(address: SocketAddr, request: &[u8]) -> usize {
    const CONNECTIONS: u32 = 25;
    let until = Instant::now() + PACED;
    let ask = |place: u32| async move {
        let pause = Duration::from_secs(1) * CONNECTIONS / RATE;
        let start = tokio::time::Instant::now() + pause * place / CONNECTIONS;
        let mut ticks = tokio::time::interval_at(start, pause);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut answer, mut answers) = (Vec::with_capacity(128 * 1024), 0);
        while Instant::now() < until {
            ticks.tick().await;
            exchange(&mut stream, request, &mut answer).await;
            answers += 1;
        }
        answers
    };
    futures::future::join_all((0..CONNECTIONS).map(ask)).await.into_iter().sum()
}

/// Sees once that the answer is the right one.
async fn check(address: SocketAddr, request: &[u8], case: Case) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    exchange(&mut stream, request, &mut answer).await;
    let text = String::from_utf8_lossy(&answer);
    let last = if case.stream { format!("{:04} and", EVENTS - 1) } else { "quick".to_owned() };
    let right = text.starts_with("HTTP/1.1 200") && text.contains(&last);
    assert!(right, "{}: {:.2000}\n{text:.2000}", case.name, String::from_utf8_lossy(request));
}

async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) {
    stream.write_all(request).await.unwrap();
    answer.clear();
    let mut whole = None;
    while whole.map_or_else(|| !answer.ends_with(b"\r\n0\r\n\r\n"), |whole| answer.len() < whole) {
        let read = stream.read_buf(answer).await.unwrap();
        assert!(read > 0, "cut short: {}", String::from_utf8_lossy(answer));
        whole = whole.or_else(|| whole_length(answer));
    }
}

/// The length of a message with its head, as far as the head says it.
fn whole_length(message: &[u8]) -> Option<usize> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(message).unwrap() else { return None };
    declared(head.headers).map(|length| start + length)
}

fn declared(headers: &[httparse::Header<'_>]) -> Option<usize> {
    let length =
        headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"))?;
    std::str::from_utf8(length.value).ok()?.parse().ok()
}

/// An upstream of all four dialects. Each event of a stream is a write of its own.
async fn mock() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("mock http://{}", listener.local_addr().unwrap());
    let answers = Dialect::ALL.map(|dialect| {
        let answer = samples::answer(dialect);
        let mut whole = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        )
        .into_bytes();
        whole.extend(answer);
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut pieces = vec![head.to_vec()];
        // Gemini's stream opens with nothing, and an empty chunk would end it.
        let events = samples::events(dialect, EVENTS).into_iter();
        for event in events.filter(|event| !event.is_empty()) {
            let size = format!("{:x}\r\n", event.len()).into_bytes();
            pieces.push([size, event, b"\r\n".to_vec()].concat());
        }
        pieces.push(b"0\r\n\r\n".to_vec());
        (vec![whole], pieces)
    });
    let answers = Arc::new(answers);
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(serve(stream, Arc::clone(&answers)));
    }
}

type Pieces = Vec<Vec<u8>>;

async fn serve(mut stream: TcpStream, answers: Arc<[(Pieces, Pieces); 4]>) {
    stream.set_nodelay(true).unwrap();
    let mut request = Vec::with_capacity(128 * 1024);
    loop {
        request.clear();
        let (mut whole, mut asked) = (usize::MAX, 0);
        while request.len() < whole {
            if !matches!(stream.read_buf(&mut request).await, Ok(read) if read > 0) {
                return;
            }
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut head = httparse::Request::new(&mut headers);
            if let httparse::Status::Complete(start) = head.parse(&request).unwrap() {
                whole = start + declared(head.headers).unwrap_or(0);
                asked = dialect_of(head.path.unwrap());
            }
        }
        let streams = |word: &[u8]| memchr::memmem::find(&request, word).is_some();
        let stream_asked = streams(b":streamGenerateContent?") || streams(b"\"stream\":true");
        let (answer, pieces) = &answers[asked];
        for piece in if stream_asked { pieces } else { answer } {
            if stream.write_all(piece).await.is_err() {
                return;
            }
        }
    }
}

/// The place of a path's dialect among all.
fn dialect_of(path: &str) -> usize {
    let words = ["completions", "responses", "messages", "Content"];
    words.iter().position(|word| path.contains(word)).expect("a path of a dialect")
}

/// Forwards every byte.
struct Pass(SocketAddr);

#[async_trait]
impl ProxyHttp for Pass {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _context: &mut (),
    ) -> pingora::Result<Box<HttpPeer>> {
        let mut peer = HttpPeer::new(self.0, false, String::new());
        peer.options.idle_timeout = Some(Duration::from_mins(1));
        peer.options.connection_timeout = Some(Duration::from_secs(5));
        Ok(Box::new(peer))
    }
}

/// Runs the pass-through.
fn pass(upstream: SocketAddr) {
    let conf = ServerConf { threads: 1, upstream_keepalive_pool_size: 1024, ..Default::default() };
    let conf = Arc::new(conf);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    println!("pass http://{address}");
    let mut fds = Fds::new();
    fds.add(address.to_string(), listener.into_raw_fd());
    let mut service = http_proxy_service(&conf, Pass(upstream));
    service.add_listener(ListenerConfig::tcp(address.to_string()));
    let runtime = pingora_runtime::Runtime::new_no_steal(1, "pass");
    // It runs until it is killed.
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let served = runtime.get_handle().spawn(async move {
        service.start_service(Some(Arc::new(Mutex::new(fds))), stopped, 1).await;
    });
    futures::executor::block_on(served).unwrap();
}
