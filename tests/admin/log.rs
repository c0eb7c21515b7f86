//! The request log over the admin API: what is in it, how it is asked, and that nothing it meets stops a request.

use std::time::Duration;

use levity::dialects::Dialect;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::harness::{self, Console, with_console};
use crate::support::client::{Open, Request, get, post, request};
use crate::support::eventually;
use crate::support::gateway::{Account, Config, Gateway, Home, KEY, credential};
use crate::support::samples::{self, MODEL, TOKENS};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// The rows that a query finds.
async fn rows(console: &Console, query: &str) -> Vec<Value> {
    let page = console.read(&format!("/api/log?{query}")).await;
    page["requests"].as_array().unwrap().clone()
}

fn database(gateway: &Gateway) -> Connection {
    Connection::open(gateway.home.path().join(".local/state/levity/requests.db")).unwrap()
}

#[tokio::test]
async fn every_request_is_in_the_log_but_health_checks() {
    let upstream = Upstream::in_turn([
        samples::refusal(CHAT, 429, "slow down"),
        samples::good(CHAT),
        Answer::sse(samples::events(CHAT)),
    ])
    .await;
    let config = Config::two(CHAT, &upstream)
        .set("models", "aliases", json!({ "short": "target-1" }))
        .guarded("all_except_health");
    let (gateway, console) = harness::start(config).await;
    let keyed = |request: Request| request.header("x-api-key", KEY);
    let answered = gateway.send(&keyed(samples::call(CHAT, "short"))).await;
    let id = answered.header("x-request-id").unwrap().to_owned();
    for request in [
        keyed(samples::stream_call(CHAT, MODEL)),
        samples::call(CHAT, MODEL),
        keyed(get("/nothing?key=hidden")),
        keyed(get("/v1/chat/completions")),
        get("/healthz"),
    ] {
        // Rows of one millisecond are in no order.
        tokio::time::sleep(Duration::from_millis(2)).await;
        gateway.send(&request).await;
    }
    let rows = console.logged(5).await;
    let status = |row: &Value| row["status"].as_u64().unwrap();
    assert_eq!(rows.iter().map(status).collect::<Vec<_>>(), [405, 404, 401, 200, 200]);
    assert_eq!(rows[1]["path"], "/nothing");
    assert_eq!((&rows[2]["outcome"], &rows[2]["attempts"]), (&json!("refused"), &json!(0)));
    assert_eq!((&rows[3]["stream"], &rows[3]["input"]), (&json!(true), &json!(TOKENS.0)));
    let row = &rows[4];
    assert_eq!((&row["id"], &row["dialect"]), (&json!(id), &json!("openai_chat")));
    assert_eq!((&row["method"], &row["path"]), (&json!("POST"), &json!("/v1/chat/completions")));
    assert_eq!((&row["model"], &row["used"]), (&json!("short"), &json!("target-1")));
    assert_eq!((&row["attempts"], &row["caller"]), (&json!(2), &Value::Null));
    assert_eq!((&row["input"], &row["output"]), (&json!(TOKENS.0), &json!(TOKENS.1)));
    assert!(row["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{row}");
    assert!(row["time"].as_str().unwrap().ends_with('Z'), "{row}");
    assert!(row["first_byte_ms"].as_u64() <= row["total_ms"].as_u64(), "{row}");

    let detail = console.read(&format!("/api/log/{id}")).await;
    assert_eq!(detail["id"], json!(id));
    let trail: Vec<(Option<u64>, &str)> = detail["trail"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tried| (tried["status"].as_u64(), tried["note"].as_str().unwrap()))
        .collect();
    assert_eq!(trail, [(Some(429), "429: too many requests"), (Some(200), "answered")]);
    assert!(detail["trail"][1]["ms"].is_u64(), "{detail}");
    assert_eq!(detail["bodies"], Value::Null);
    let explain = detail["explain"].as_array().unwrap();
    let [first, second] = [0, 1].map(|place| explain[place].as_str().unwrap());
    assert!(first.contains("chosen") && first.contains("behind: pool.scheduling"), "{first}");
    assert!(second.contains("chosen") && second.contains("not asked: tried"), "{second}");
    let refused = console.read(&format!("/api/log/{}", rows[2]["id"].as_str().unwrap())).await;
    assert!(refused["error"].as_str().unwrap().contains("needs its key"), "{refused}");
    assert_eq!(console.send(get("/api/log/req_22222222222222222222")).await.status, 404);
}

#[tokio::test]
async fn a_list_is_read_page_by_page_or_as_lines() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    for place in 0..5 {
        gateway.send(&samples::call(CHAT, &format!("model-{place}"))).await;
    }
    console.logged(5).await;
    let first = console.read("/api/log?limit=3").await;
    assert_eq!(first["requests"].as_array().unwrap().len(), 3);
    let next = first["next"].as_str().unwrap();
    let second = console.read(&format!("/api/log?limit=3&before={next}")).await;
    let models: Vec<&Value> =
        second["requests"].as_array().unwrap().iter().map(|row| &row["model"]).collect();
    assert_eq!(models, ["model-1", "model-0"]);
    assert_eq!((&second["next"], &second["dropped"]), (&Value::Null, &json!(0)));

    let lines = console.send(get("/api/log?format=jsonl")).await;
    assert_eq!(lines.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> =
        lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, rows(&console, "").await);
    let lines = console.send(get("/api/log?format=jsonl&model=model-2")).await;
    assert_eq!(lines.text().lines().count(), 1);
}

#[tokio::test]
async fn a_query_that_is_wrong_is_refused_and_sql_in_it_is_a_text() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    gateway.send(&samples::call(CHAT, MODEL)).await;
    console.logged(1).await;
    for (query, named) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("before=1", "before"),
        ("status=banana", "status"),
        ("since=yesterday", "since"),
        ("until=1%20OR%201", "until"),
        ("format=xml", "format"),
        ("order=id", "order"),
    ] {
        let reply = console.send(get(format!("/api/log?{query}"))).await;
        assert_eq!(reply.status, 400, "{query}: {}", reply.text());
        let said = reply.json()["error"]["message"].to_string();
        assert!(said.contains(named), "{query}: {said}");
    }
    assert_eq!(console.send(get("/api/usage?by=everything")).await.status, 400);
    assert_eq!(console.send(get("/api/usage")).await.status, 400);
    let sql = "%27%3B%20DROP%20TABLE%20requests%3B%20--";
    for key in ["model", "account", "dialect", "caller", "text"] {
        assert_eq!(rows(&console, &format!("{key}={sql}")).await, [] as [Value; 0], "{key}");
    }
    assert_eq!(rows(&console, "status=&model=&text=").await.len(), 1);
}

#[tokio::test]
async fn a_log_is_emptied() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    gateway.send(&samples::call(CHAT, MODEL)).await;
    console.logged(1).await;
    assert_eq!(console.send(request("DELETE", "/api/log")).await.status, 204);
    assert_eq!(rows(&console, "").await.len(), 0);
    let usage = console.read("/api/usage?by=model").await;
    assert_eq!(usage["rows"][0]["key"], MODEL);
    assert_eq!(usage["rows"][0]["input"], json!(TOKENS.0));
}

#[tokio::test]
async fn bodies_are_kept_when_asked_for_and_without_keys() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let config = Config::one(CHAT, &upstream).guarded("strict");
    let (gateway, console) = harness::start(config.clone()).await;
    let key = credential("only");
    let words = format!("my key is {key}, and sk-ant-REDACTED0 another");
    let body = json!({ "model": MODEL, "messages": [{ "role": "user", "content": words }] });
    let call = post("/v1/chat/completions", body.to_string()).header("x-api-key", KEY);
    let detail = async |call: &Request| {
        let id = gateway.send(call).await.header("x-request-id").unwrap().to_owned();
        loop {
            let reply = console.send(get(format!("/api/log/{id}"))).await;
            if reply.status == 200 {
                return reply.json();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert_eq!(detail(&call).await["bodies"], Value::Null);

    let file = gateway.home.config();
    let text = std::fs::read_to_string(&file).unwrap();
    let mut changed: Value = serde_json::from_str(&text).unwrap();
    changed["monitor"] = json!({ "bodies": true });
    std::fs::write(&file, changed.to_string()).unwrap();
    assert_eq!(console.send(post("/api/reload", "")).await.status, 200);
    let bodies = &detail(&call).await["bodies"];
    let said = bodies["request"].as_str().unwrap();
    assert!(said.contains("my key is •••, and ••• another"), "{said}");
    let answer: Value = serde_json::from_str(bodies["response"].as_str().unwrap()).unwrap();
    assert_eq!(answer["model"], samples::answer(CHAT)["model"]);
    assert_eq!(bodies["truncated"], false);

    let long = json!({ "model": MODEL, "messages": [], "pad": "x".repeat(100_000) });
    let long = post("/v1/chat/completions", long.to_string()).header("x-api-key", KEY);
    let bodies = &detail(&long).await["bodies"];
    assert_eq!(bodies["request"].as_str().unwrap().len(), 64 * 1024);
    assert_eq!(bodies["truncated"], true);
    let refused = detail(&post("/v1/chat/completions", "{").header("x-api-key", KEY)).await;
    assert_eq!(refused["bodies"]["request"], "{");
    assert!(refused["bodies"]["response"].as_str().unwrap().contains("error"), "{refused}");
    for file in ["requests.db", "requests.db-wal"] {
        let file = gateway.home.path().join(".local/state/levity").join(file);
        let bytes = std::fs::read(file).unwrap();
        let found = bytes.windows(key.len()).any(|window| window == key.as_bytes());
        assert!(!found, "a key is in the log");
    }
}

#[tokio::test]
async fn a_log_that_is_off_records_nothing_until_it_is_on() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let config = Config::one(CHAT, &upstream).set("monitor", "enabled", false);
    let (gateway, console) = harness::start(config).await;
    gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!(rows(&console, "").await.len(), 0);
    assert_eq!(console.read("/api/usage?by=day").await["rows"], json!([]));
    assert_eq!(console.read("/api/status").await["monitor"]["enabled"], false);
    assert!(!gateway.home.path().join(".local/state/levity/requests.db").exists());
    let file = gateway.home.config();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"enabled\": false", "\"enabled\": true")).unwrap();
    assert_eq!(console.send(post("/api/reload", "")).await.status, 200);
    gateway.send(&samples::call(CHAT, MODEL)).await;
    console.logged(1).await;
    assert_eq!(console.read("/api/status").await["monitor"]["enabled"], true);
}

#[tokio::test]
async fn requests_and_changes_of_state_are_told_as_they_happen() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    let events = |query: &str| {
        let bearer = format!("Bearer {}", console.token);
        get(format!("/api/events{query}")).header("authorization", &bearer)
    };
    let mut all = Open::start(console.address, &events("")).await;
    let mut some = Open::start(console.address, &events("?status=404")).await;
    assert_eq!(all.head.headers.get("content-type"), Some("text/event-stream"));
    all.until("event: state").await;
    all.until("\"state\":\"running\"").await;
    some.until("event: state").await;
    gateway.send(&samples::call(CHAT, MODEL)).await;
    all.until("event: request").await;
    all.until(&format!("\"model\":\"{MODEL}\"")).await;
    gateway.send(&get("/nothing")).await;
    some.until("/nothing").await;
    assert!(!some.text().contains(MODEL), "{}", some.text());
    console.send(post("/api/stop", "")).await;
    all.until("\"state\":\"stopped\"").await;
    let nobody = get("/api/events");
    assert_eq!(console.send_bare(&nobody).await.status, 401);
}

#[tokio::test]
async fn a_locked_log_stops_no_request() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (gateway, console) = harness::start(Config::one(CHAT, &upstream)).await;
    gateway.send(&samples::call(CHAT, MODEL)).await;
    console.logged(1).await;
    let holder = database(&gateway);
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for _ in 0..20 {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    let warning = "requests are not recorded: cannot use ";
    eventually("the warning", || gateway.stderr().contains(warning).then_some(())).await;
    holder.execute_batch("COMMIT").unwrap();
    console.logged(21).await;
    assert_eq!(console.read("/api/log").await["dropped"], 0);
}

#[tokio::test]
async fn a_full_disk_stops_no_request() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let config = with_console(Config::one(CHAT, &upstream));
    let home = Home::with(&config);
    // No file may become larger than this many blocks of 512 bytes: what is written beyond that fails as on a full disk.
    let limited = "trap '' XFSZ; ulimit -f 96; exec \"$0\" run --config \"$1\"";
    let run = home.command(&[]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", limited, run.get_program().to_str().unwrap()]);
    shell.arg(home.config()).current_dir(home.path()).env_clear();
    shell.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let gateway = Gateway::launch(home, shell, Vec::new()).await;
    let console = Console::of(&gateway).await;
    let path = "/v1/".to_owned() + &"x".repeat(500);
    let mut connection = gateway.connect().await;
    for _ in 0..400 {
        assert_eq!(connection.send(&get(&path)).await.unwrap().status, 404);
    }
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    let warning = "requests are not recorded: cannot use ";
    eventually("the warning", || gateway.stderr().contains(warning).then_some(())).await;
    assert_eq!(console.read("/api/status").await["state"], "running");
}

#[tokio::test]
async fn usage_is_summed_by_what_is_asked() {
    let upstream = Upstream::in_turn([
        samples::good(CHAT),
        samples::good(CHAT),
        samples::refusal(CHAT, 400, "no"),
    ])
    .await;
    let config = Config::new().account(Account::new("only", CHAT, &upstream.url()));
    let (gateway, console) = harness::start(config).await;
    for _ in 0..3 {
        gateway.send(&samples::call(CHAT, MODEL)).await;
    }
    gateway.send(&get("/nothing")).await;
    console.logged(4).await;
    let by = async |by: &str| {
        let usage = console.read(&format!("/api/usage?by={by}")).await;
        let row = |row: &Value| {
            let number = |key: &str| row[key].as_u64().unwrap();
            (
                row["key"].as_str().map(str::to_owned),
                number("requests"),
                number("errors"),
                number("output"),
            )
        };
        usage["rows"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let named = |name: &str| Some(name.to_owned());
    let output = 2 * TOKENS.1;
    assert_eq!(by("model").await, [(named(MODEL), 3, 1, output), (None, 1, 1, 0)]);
    assert_eq!(by("account").await, [(named("only"), 3, 1, output), (None, 1, 1, 0)]);
    assert_eq!(by("caller").await, [(None, 4, 2, output)]);
    assert_eq!(by("dialect").await, [(named("openai_chat"), 4, 2, output)]);
    let statuses = [(named("200"), 2, 0, output), (named("400"), 1, 1, 0), (named("404"), 1, 1, 0)];
    assert_eq!(by("status").await, statuses);
    for unit in ["hour", "day"] {
        let sums = by(unit).await;
        assert_eq!(sums.iter().map(|sum| sum.1).sum::<u64>(), 4, "{unit}");
    }
    let future = console.read("/api/usage?by=day&since=2999-01-01").await;
    assert_eq!(future["rows"], json!([]));
}
