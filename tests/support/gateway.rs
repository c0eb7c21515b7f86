//! One `levity` process of the test's own: its configuration, its life, and what it said.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use levity::dialects::Dialect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Connection, Open, Reply, Request, get};
use super::upstream::Upstream;
use super::wire::Headers;
use super::{eventually, soon};

/// The client key of guarded gateways.
pub(crate) const KEY: &str = "sk-client-key-0123456789";

/// A configuration in the making. It is written as JSON, which is YAML.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    file: Value,
    environment: Vec<(String, String)>,
    flags: &'static [&'static str],
}

impl Config {
    /// A port of the system's choice, and no account yet.
    pub(crate) fn new() -> Self {
        let file = json!({ "proxy": { "port": 0 }, "accounts": [] });
        Self { file, environment: Vec::new(), flags: &[] }
    }

    /// One account that speaks `dialect`, on `upstream`.
    pub(crate) fn one(dialect: Dialect, upstream: &Upstream) -> Self {
        Self::new().account(Account::new("only", dialect, &upstream.url()))
    }

    /// Two accounts, `first` and `second`, that speak `dialect`, on the same upstream.
    pub(crate) fn two(dialect: Dialect, upstream: &Upstream) -> Self {
        Self::new().account(Account::new("first", dialect, &upstream.url())).account(Account::new(
            "second",
            dialect,
            &upstream.url(),
        ))
    }

    /// One account of each dialect, all on `upstream`.
    pub(crate) fn all(upstream: &Upstream) -> Self {
        let add = |config: Self, dialect: Dialect| {
            config.account(Account::new(dialect.name(), dialect, &upstream.url()))
        };
        Dialect::ALL.into_iter().fold(Self::new(), add)
    }

    pub(crate) fn account(mut self, account: Account) -> Self {
        self.file["accounts"].as_array_mut().unwrap().push(account.0);
        self
    }

    /// Sets `section.key`.
    pub(crate) fn set(mut self, section: &str, key: &str, value: impl Into<Value>) -> Self {
        self.file[section][key] = value.into();
        self
    }

    /// Sets the auth mode, with `KEY` as the client key.
    pub(crate) fn guarded(self, mode: &str) -> Self {
        self.set("proxy", "auth_mode", mode).set("proxy", "api_key", KEY)
    }

    /// Sets a variable of the gateway's environment, which is otherwise empty.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Asks for one JSON object a log line.
    pub(crate) fn json_log(self) -> Self {
        Self { flags: &["--log-format", "json"], ..self }
    }

    /// Asks for all that the gateway can say of each attempt.
    pub(crate) fn debug_log(self) -> Self {
        Self { flags: &["--log-level", "debug"], ..self }
    }

    /// What must never be printed.
    fn secrets(&self) -> Vec<String> {
        let accounts = self.file["accounts"].as_array().unwrap().iter();
        let keys = accounts.map(|account| &account["api_key"]);
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        keys.chain([&self.file["proxy"]["api_key"]]).filter_map(text).collect()
    }
}

/// An entry of `accounts:`.
#[derive(Clone, Debug)]
pub(crate) struct Account(Value);

impl Account {
    /// A custom account that speaks `dialect` and serves every model, with a credential of its own.
    pub(crate) fn new(name: &str, dialect: Dialect, root: &str) -> Self {
        Self::of("custom", name, &format!("{root}{}", version_prefix(dialect)))
            .set("dialect", dialect.name())
            .set("models", json!(["*"]))
    }

    /// An account of a known provider.
    pub(crate) fn of(provider: &str, name: &str, base_url: &str) -> Self {
        Self(json!({ "name": name, "provider": provider, "base_url": base_url,
            "api_key": credential(name) }))
    }

    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }
}

/// The credential of the account of this name.
pub(crate) fn credential(account: &str) -> String {
    format!("sk-upstream-{account}-0123456789")
}

/// What a custom account's base URL ends in: that dialect's SDK would be given the same.
fn version_prefix(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "/v1",
        Dialect::Anthropic | Dialect::Gemini => "",
    }
}

/// How a `levity` command that ended by itself ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A folder to run commands in: the home directory, with or without a config file.
#[derive(Debug)]
pub(crate) struct Home {
    folder: TempDir,
    environment: Vec<(String, String)>,
    flags: &'static [&'static str],
}

impl Home {
    pub(crate) fn empty() -> Self {
        // The console's port is a fixed one, which tests that run side by side cannot share.
        let environment = vec![("LEVITY_CONSOLE_ENABLED".to_owned(), "false".to_owned())];
        Self { folder: TempDir::new().unwrap(), environment, flags: &[] }
    }

    pub(crate) fn with(config: &Config) -> Self {
        let mut home = Self { flags: config.flags, ..Self::empty() };
        home.environment.extend(config.environment.iter().cloned());
        let file = serde_json::to_string_pretty(&config.file).unwrap();
        std::fs::write(home.config(), file).unwrap();
        home
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("levity.yaml")
    }

    /// A `levity` command in this folder, with nothing of the tester's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(self.path()).env_clear().env("HOME", self.path());
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// `run` on the config file of this folder.
    pub(crate) fn run(&self) -> Command {
        let mut command = self.command(&["run", "--config", self.config().to_str().unwrap()]);
        command.args(self.flags);
        command
    }
}

/// The program under test: the one that was built with the test, or the one in `LEVITY_TEST_BINARY` (a release build).
fn binary() -> PathBuf {
    let given = std::env::var_os("LEVITY_TEST_BINARY");
    given.map_or_else(|| env!("CARGO_BIN_EXE_levity").into(), PathBuf::from)
}

/// Runs a command that ends by itself; one that doesn't is killed, and has no exit code.
pub(crate) fn ended(mut command: Command) -> Ended {
    let mut process = Process::start(&mut command);
    let status = process.wait(Duration::from_secs(10));
    drop(process.child.kill());
    process.drain();
    let (stdout, stderr) = (process.stdout.text(), process.stderr.text());
    Ended { code: status.and_then(|status| status.code()), stdout, stderr }
}

/// A running gateway. When it is dropped it ends, and must have printed no secret.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) home: Home,
    process: Process,
    secrets: Vec<String>,
}

impl Gateway {
    /// Starts a gateway on `config` and waits until it answers.
    pub(crate) async fn start(config: &Config) -> Self {
        let home = Home::with(config);
        let command = home.run();
        Self::launch(home, command, config.secrets()).await
    }

    /// Starts a gateway with a command of the test's own and waits until it answers.
    pub(crate) async fn launch(home: Home, mut command: Command, secrets: Vec<String>) -> Self {
        let mut process = Process::start(&mut command);
        let address = eventually("the URL on standard output", || process.url()).await;
        let gateway = Self { address, home, process, secrets };
        let health = get("/healthz").header("x-api-key", KEY);
        assert_eq!(gateway.send(&health).await.status, 200, "{}", gateway.stderr());
        gateway
    }

    /// Sends a request on a connection of its own and reads the whole answer.
    pub(crate) async fn send(&self, request: &Request) -> Reply {
        let mut connection = self.connect().await;
        match soon("the answer", connection.send(request)).await {
            Ok(reply) => reply,
            Err(error) => panic!("{} {}: {error}", request.method, request.target),
        }
    }

    /// Sends a request and waits for the head of the answer alone.
    pub(crate) async fn open(&self, request: &Request) -> Open {
        Open::start(self.address, request).await
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::open(self.address).await.unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        self.process.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.process.stderr.text()
    }

    /// The fields of the log line about the request of this id, in a JSON log.
    pub(crate) async fn logged(&self, headers: &Headers) -> Value {
        let id = headers.get("x-request-id").unwrap();
        eventually("the request's log line", || {
            let log = self.stderr();
            let fields = |line| serde_json::from_str::<Value>(line).ok();
            let mut lines = log.lines().filter_map(fields).filter(|line| line["id"] == id);
            let line = lines.next()?;
            assert_eq!(lines.next(), None, "a second line about one request");
            Some(line)
        })
        .await
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// The exit code, once the process has ended by itself.
    pub(crate) async fn exit_code(&mut self) -> Option<i32> {
        let process = &mut self.process;
        eventually("the gateway's end", || process.child.try_wait().unwrap()).await.code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.signal(Signal::SIGTERM);
        if self.process.wait(Duration::from_secs(2)).is_none() {
            drop(self.process.child.kill());
        }
        self.process.drain();
        if thread::panicking() {
            eprintln!("--- the gateway's log\n{}", self.stderr());
            return;
        }
        let said = self.stdout() + &self.stderr();
        for secret in &self.secrets {
            assert!(!said.contains(secret), "the secret {secret} was printed:\n{said}");
        }
    }
}

/// A child process and what it has printed so far.
#[derive(Debug)]
struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Process {
    fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = Output::of(child.stdout.take().unwrap());
        let stderr = Output::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// The first address that it has printed; fails the test when it ended instead.
    fn url(&mut self) -> Option<SocketAddr> {
        let found = self.stdout.text().lines().find_map(loopback);
        if found.is_none() && self.child.try_wait().unwrap().is_some() {
            self.drain();
            panic!("the gateway ended at once:\n{}{}", self.stdout.text(), self.stderr.text());
        }
        found
    }

    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(id), signal).ok();
    }

    /// Reaps the ended process and reads what is left in its pipes.
    fn drain(&mut self) {
        self.child.wait().ok();
        for output in [&mut self.stdout, &mut self.stderr] {
            if let Some(reader) = output.reader.take() {
                reader.join().unwrap();
            }
        }
    }
}

/// The address in the first `http://127.0.0.1:PORT` of a line.
fn loopback(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("http://127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
}

/// A pipe that is read to its end by a thread.
#[derive(Debug)]
struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let copy = Arc::clone(&text);
        let reader = thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = copy.lock();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { text, reader: Some(reader) }
    }

    fn text(&self) -> String {
        self.text.lock().clone()
    }
}
