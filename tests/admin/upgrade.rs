//! One process that takes over from another: no stream is cut, and nobody is refused.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;

use crate::harness::{self, Console, with_console};
use crate::support::client::{Open, get, post};
use crate::support::gateway::{Account, Config, Gateway, Home, ended};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Answer, Gate, Step};
use crate::support::upstream::Upstream;
use crate::support::{eventually, soon, within};

const CHAT: Dialect = Dialect::OpenAiChat;

/// Starts a process that takes over from `gateway`.
async fn take_over(home: &Home) -> Gateway {
    let mut command = home.run();
    command.arg("--upgrade");
    let next = Gateway::launch(Home::empty(), command, Vec::new()).await;
    let said = || next.stderr().contains("took over from process").then_some(());
    eventually("the old one's word that it is done", said).await;
    next
}

#[tokio::test]
async fn a_stream_outlives_two_upgrades() {
    let gate = Gate::closed();
    let events = samples::events(CHAT);
    let held = Answer::sse(&events[..1]).wait(&gate);
    let held = events[1..].iter().fold(held, |answer, event| answer.event(event));
    let upstream = Upstream::in_turn([held, samples::good(CHAT)]).await;
    let (mut first, console) = harness::start(Config::one(CHAT, &upstream)).await;
    let mut open = first.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until(&events[0]).await;
    let began = console.read("/api/status").await["process_started"].clone();

    let mut second = take_over(&first.home).await;
    assert_eq!(second.address, first.address);
    let status = console.read("/api/status").await;
    assert_ne!(status["process_started"], began, "the old console answers");
    assert_eq!(second.send(&samples::call(CHAT, MODEL)).await.status, 200);

    let third = take_over(&first.home).await;
    assert_eq!(third.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!(
        within(Duration::from_secs(5), "the second's end", second.exit_code()).await,
        Some(0)
    );
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), events.concat());
    assert_eq!(within(Duration::from_secs(5), "the first's end", first.exit_code()).await, Some(0));
    assert_eq!(third.send(&get("/healthz")).await.status, 200);
    assert_eq!(console.read("/api/status").await["state"], "running");
}

#[tokio::test]
async fn who_has_just_come_in_is_served() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (first, _console) = harness::start(Config::one(CHAT, &upstream)).await;
    let mut connection = first.connect().await;
    // An answer on it says that it is the old process's.
    assert_eq!(connection.send(&samples::call(CHAT, MODEL)).await.unwrap().status, 200);
    let _second = take_over(&first.home).await;
    assert_eq!(connection.send(&samples::call(CHAT, MODEL)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_response_that_ends_in_the_old_process_is_known_to_the_new_one() {
    let (gate, dialect) = (Gate::closed(), Dialect::OpenAiChat);
    let events = samples::events(dialect);
    let held = Answer::sse(&events[..1]).wait(&gate);
    let held = events[1..].iter().fold(held, |answer, event| answer.event(event));
    let upstream = Upstream::always(held).await;
    let (mut first, _console) = harness::start(Config::one(dialect, &upstream)).await;
    let call = samples::stream_call(Dialect::OpenAiResponses, MODEL);
    let address = first.address;
    let asking = tokio::spawn(async move { Open::start(address, &call).await });
    upstream.reached(1).await;
    let second = take_over(&first.home).await;
    gate.open();
    let mut open = soon("the answer", asking).await.unwrap();
    assert!(open.end().await, "a proper end");
    let text = open.text();
    let (_, id) = text.split_once("\"id\":\"resp_").unwrap();
    let id = format!("resp_{}", id.split('"').next().unwrap());
    assert_eq!(first.exit_code().await, Some(0));
    assert_eq!(second.send(&get(format!("/v1/responses/{id}"))).await.status, 200);
}

#[tokio::test]
async fn the_old_process_does_nothing_more_but_end_its_streams() {
    let gate = Gate::closed();
    let events = samples::events(CHAT);
    let held = Answer::sse(&events[..1]).wait(&gate);
    let held = events[1..].iter().fold(held, |answer, event| answer.event(event));
    let upstream = Upstream::always(held).await;
    let (mut first, _console) = harness::start(Config::one(CHAT, &upstream)).await;
    let mut open = first.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until(&events[0]).await;
    let _second = take_over(&first.home).await;
    let text = std::fs::read_to_string(first.home.config()).unwrap();
    std::fs::write(first.home.config(), text + " ").unwrap();
    first.signal(Signal::SIGHUP);
    tokio::time::sleep(Duration::from_millis(500)).await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), events.concat());
    assert_eq!(first.exit_code().await, Some(0));
    assert!(!first.stderr().contains("reloaded"), "{}", first.stderr());
}

#[tokio::test]
async fn without_a_running_gateway_it_starts_as_ever() {
    let account = Account::new("only", CHAT, "http://127.0.0.1:1");
    let home = Home::with(&Config::new().account(account));
    let mut command = home.run();
    command.arg("--upgrade");
    let gateway = Gateway::launch(home, command, Vec::new()).await;
    let said = || gateway.stderr().contains("runs to take over from").then_some(());
    eventually("the log's line", said).await;
}

#[tokio::test]
async fn one_that_cannot_start_leaves_the_old_one_as_it_was() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    let bad = gateway.home.path().join("bad.yaml");
    std::fs::write(&bad, "proxy: { prot: 1 }").unwrap();
    let bad = bad.to_str().unwrap();
    let refused = ended(gateway.home.command(&["run", "--upgrade", "--config", bad]));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);

    // One that has the listeners already, and ends before it serves.
    let socket = gateway.home.path().join(".local/state/levity/upgrade-0.sock");
    drop(UnixStream::connect(&socket).unwrap());
    let said = || gateway.stderr().contains("gave up").then_some(());
    eventually("the log's line", said).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!(console.read("/api/status").await["state"], "running");
    let next = take_over(&gateway.home).await;
    assert_eq!(next.send(&samples::call(CHAT, MODEL)).await.status, 200);
}

#[tokio::test]
async fn the_socket_is_for_this_user_alone_and_goes_with_the_process() {
    use std::os::unix::fs::PermissionsExt as _;
    let account = Account::new("only", CHAT, "http://127.0.0.1:1");
    let mut gateway = Gateway::start(&Config::new().account(account)).await;
    let socket = gateway.home.path().join(".local/state/levity/upgrade-0.sock");
    let mode = || std::fs::metadata(&socket).ok().map(|file| file.permissions().mode());
    assert_eq!(eventually("the socket", mode).await & 0o777, 0o600);
    gateway.signal(Signal::SIGTERM);
    assert_eq!(gateway.exit_code().await, Some(0));
    assert!(!socket.exists());
}

#[tokio::test]
async fn one_that_stalls_does_not_keep_a_gateway_from_its_end() {
    let account = Account::new("only", CHAT, "http://127.0.0.1:1");
    let mut gateway = Gateway::start(&Config::new().account(account)).await;
    let socket = gateway.home.path().join(".local/state/levity/upgrade-0.sock");
    let mut stalling = eventually("the socket", || UnixStream::connect(&socket).ok()).await;
    // The offer: from now on the ports are held.
    assert!(stalling.read(&mut [0; 1024]).unwrap() > 0);
    let talking = std::thread::spawn(move || {
        while stalling.write_all(b".").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    gateway.signal(Signal::SIGHUP);
    tokio::time::sleep(Duration::from_millis(200)).await;
    gateway.signal(Signal::SIGTERM);
    tokio::time::sleep(Duration::from_millis(500)).await;
    gateway.signal(Signal::SIGTERM);
    let ended = within(Duration::from_secs(8), "the end", gateway.exit_code());
    assert_eq!(ended.await, Some(0));
    talking.join().unwrap();
}

#[tokio::test]
async fn a_stopped_gateway_stays_stopped() {
    let account = Account::new("only", CHAT, "http://127.0.0.1:1");
    let (mut gateway, console) = harness::start(Config::new().account(account)).await;
    let began = console.read("/api/status").await["process_started"].clone();
    console.send(post("/api/stop", "")).await;
    console.status("the stop", |status| status["state"] == "stopped").await;
    let mut command = gateway.home.run();
    command.arg("--upgrade").stdout(Stdio::null()).stderr(Stdio::null());
    let mut next = command.spawn().unwrap();
    assert_eq!(
        within(Duration::from_secs(9), "the old one's end", gateway.exit_code()).await,
        Some(0)
    );
    let status = console.read("/api/status").await;
    assert_ne!(status["process_started"], began);
    assert_eq!(status["state"], "stopped");
    assert_eq!(console.send(post("/api/start", "")).await.json()["state"], "running");
    next.kill().unwrap();
    next.wait().unwrap();
}

/// How much is done to a gateway while streams are open.
struct Load {
    streams: usize,
    reloads: usize,
    upgrades: usize,
}

/// Opens streams, half of which say something all the time and half of which wait; reloads and upgrades meanwhile in every
/// way there is; and checks that each stream comes whole, and is in the
/// request log and in the lines on stderr once.
async fn none_is_cut(load: Load) {
    let gate = Gate::closed();
    let events = samples::events(CHAT);
    let step =
        |answer: Answer, _| answer.event(&events[1]).step(Step::Pause(Duration::from_millis(50)));
    let talking = (0..40).fold(Answer::sse(&events[..1]), step).wait(&gate);
    let silent = Answer::sse(&events[..1]).wait(&gate);
    let answers = [talking, silent]
        .map(|answer| events[1..].iter().fold(answer, |answer, event| answer.event(event)));
    let upstream = {
        let answers = answers.clone();
        let script = move |seen: &crate::support::script::Seen| {
            let silent = usize::from(seen.text().contains("silent"));
            answers[silent].clone()
        };
        Upstream::new(script).await
    };
    let config = with_console(Config::one(CHAT, &upstream)).json_log();
    let mut gateways = vec![Gateway::start(&config).await];
    let console = Console::of(&gateways[0]).await;
    let mut streams: Vec<Open> = Vec::new();
    for index in 0..load.streams {
        let model = if index % 2 == 0 { "talking" } else { "silent" };
        let newest = gateways.last().unwrap();
        let mut open = newest.open(&samples::stream_call(CHAT, model)).await;
        open.until(&events[0]).await;
        streams.push(open);
        // Everything else happens while the streams come in, so that each process has some.
        for _ in turns(load.reloads, load.streams, index) {
            reload(newest, &console).await;
        }
        for _ in turns(load.upgrades, load.streams, index) {
            let next = take_over(&gateways[0].home).await;
            gateways.push(next);
        }
    }
    gate.open();
    let mut ids = Vec::new();
    for mut open in streams {
        assert!(open.end().await, "a proper end");
        assert!(open.text().ends_with(events.last().unwrap()), "{}", open.text());
        assert!(!open.text().contains("error"), "{}", open.text());
        ids.push(open.head.headers.get("x-request-id").unwrap().to_owned());
    }
    let newest = gateways.pop().unwrap();
    for old in &mut gateways {
        assert_eq!(
            within(Duration::from_secs(10), "an old one's end", old.exit_code()).await,
            Some(0)
        );
    }
    gateways.push(newest);
    ids.sort();
    all_are_logged(&mut gateways, &console, &ids).await;
}

/// Checks that the request log has exactly these requests, each once, while the last gateway runs and after its end; and that
/// each has its line on stderr.
async fn all_are_logged(gateways: &mut [Gateway], console: &Console, ids: &[String]) {
    let running = log_of(&gateways[0].home, &["--console-port", &console.port()]);
    assert_eq!(running, ids, "in the running log");
    assert_eq!(console.read("/api/log?limit=1").await["dropped"], 0);
    let newest = gateways.last_mut().unwrap();
    newest.signal(Signal::SIGTERM);
    assert_eq!(newest.exit_code().await, Some(0));
    assert_eq!(log_of(&gateways[0].home, &[]), ids, "in the file");
    let lines: String = gateways.iter().map(Gateway::stderr).collect();
    for id in ids {
        assert_eq!(lines.matches(&format!("\"id\":\"{id}\"")).count(), 1, "lines of {id}");
    }
}

/// The ids of all requests that `levity log` shows, in their order.
fn log_of(home: &Home, flags: &[&str]) -> Vec<String> {
    let flags = [&["log", "--json", "--limit", "10000"], flags].concat();
    let shown = ended(home.command(&flags));
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let id = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["id"].as_str().unwrap().to_owned()
    };
    shown.stdout.lines().map(id).collect()
}

/// Which of `all` are due at `index` of `steps`.
fn turns(all: usize, steps: usize, index: usize) -> std::ops::Range<usize> {
    index * all / steps..(index + 1) * all / steps
}

async fn reload(gateway: &Gateway, console: &Console) {
    let reply = soon("the reload", console.send(post("/api/reload", ""))).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    gateway.signal(Signal::SIGHUP);
}

#[tokio::test]
async fn no_stream_is_cut_by_reloads_and_upgrades() {
    none_is_cut(Load { streams: 20, reloads: 10, upgrades: 3 }).await;
}

#[tokio::test]
#[ignore = "takes a while: LEVITY_TEST_BINARY=target/release/levity cargo nextest run --test admin --run-ignored only"]
async fn two_hundred_streams_outlive_a_hundred_reloads_and_five_upgrades() {
    none_is_cut(Load { streams: 200, reloads: 100, upgrades: 5 }).await;
}
