//! `pool.hedge`: a second account is asked beside one whose answer is late, the one that begins first is heard, and the other
//! is cancelled.

use std::time::Duration;

use levity::dialects::Dialect;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::client::{Open, Reply, Request, post};
use crate::support::gateway::{Account, Config, Gateway, credential};
use crate::support::proxy::{Manner, Proxy, Speech};
use crate::support::samples::{self, MODEL, broke_off, refused};
use crate::support::script::{Answer, Gate, Seen};
use crate::support::tls::{Authority, Offer};
use crate::support::upstream::Upstream;
use crate::support::{eventually, within};

const CHAT: Dialect = Dialect::OpenAiChat;
/// Every request may ask a second account.
const EVERY: &str = "100%";

/// A gateway that asks `second` when `first` is late.
fn config(first: Account, second: Account) -> Config {
    Config::new()
        .json_log()
        .set("pool", "scheduling", "balance")
        .set("pool", "hedge", json!({ "after": "60ms", "budget": EVERY }))
        .account(first)
        .account(second)
}

/// Two accounts of one dialect, which answer as they are told.
struct Pair {
    first: Upstream,
    second: Upstream,
    gateway: Gateway,
}

impl Pair {
    async fn new(dialect: Dialect, first: Answer, second: Answer) -> Self {
        Self::of((dialect, first), (dialect, second), |config| config).await
    }

    async fn of(
        (one, first): (Dialect, Answer),
        (other, second): (Dialect, Answer),
        change: impl FnOnce(Config) -> Config,
    ) -> Self {
        let first = Upstream::always(first).await;
        let second = Upstream::always(second).await;
        let accounts = [("first", one, &first), ("second", other, &second)]
            .map(|(name, dialect, upstream)| Account::new(name, dialect, &upstream.url()));
        let [one, other] = accounts;
        let gateway = Gateway::start(&change(config(one, other))).await;
        Self { first, second, gateway }
    }

    /// How often each was asked.
    fn asked(&self) -> (usize, usize) {
        (self.first.count(), self.second.count())
    }

    /// What the log says was tried.
    async fn tried(&self, reply: &Reply) -> Value {
        self.gateway.logged(&reply.headers).await["tried"].clone()
    }
}

/// What each dialect's stream is like whoever answers, and a whole answer.
fn both(dialect: Dialect) -> [(Request, Answer); 2] {
    [
        (samples::call(dialect, MODEL), samples::good(dialect)),
        (samples::stream_call(dialect, MODEL), Answer::sse(samples::events(dialect))),
    ]
}

/// A Responses client that has nothing kept: what is kept twice is not asked for twice.
fn unkept(request: Request) -> Request {
    if !request.target.starts_with("/v1/responses") {
        return request;
    }
    let mut body: Value = serde_json::from_slice(&request.body).unwrap();
    body["store"] = json!(false);
    post(request.target, body.to_string())
}

#[tokio::test]
async fn the_second_account_answers_where_the_first_is_late() {
    for dialect in Dialect::ALL {
        for (request, answer) in both(dialect) {
            let pair = Pair::new(dialect, Answer::nothing().hang(), answer.clone()).await;
            let reply = pair.gateway.send(&unkept(request)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let whole: String = match &answer {
                answer if answer.headers.iter().any(|(_, kind)| kind.contains("stream")) => {
                    samples::events(dialect).concat()
                }
                _ => samples::answer(dialect).to_string(),
            };
            assert_eq!(reply.text(), whole, "{dialect}: byte for byte");
            assert_eq!(pair.asked(), (1, 1), "{dialect}");
            pair.first.left().await;
            let tried = pair.tried(&reply).await;
            assert_eq!(tried, "first: overtaken by a hedge; hedge second: 200 (answered)");
        }
    }
}

#[tokio::test]
async fn a_hedge_is_the_request_that_the_first_account_got() {
    let pair = Pair::new(CHAT, Answer::nothing().hang(), samples::good(CHAT)).await;
    let request = samples::call(CHAT, MODEL)
        .header("x-mine", "kept")
        .header("connection", "x-hop")
        .header("x-hop", "left out");
    assert_eq!(pair.gateway.send(&request).await.status, 200);
    let (first, second) = (pair.first.only(), pair.second.only());
    assert_eq!((&first.method, &first.target), (&second.method, &second.target));
    assert_eq!(first.body, second.body);
    assert_eq!(second.credential(), credential("second"));
    let names = |seen: &Seen| {
        let mut names: Vec<_> =
            seen.headers.0.iter().map(|(name, _)| name.to_lowercase()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&first), names(&second));
}

#[tokio::test]
async fn the_first_account_answers_where_it_begins_first() {
    for dialect in Dialect::ALL {
        for (request, answer) in both(dialect) {
            let gate = Gate::closed();
            let pair = Pair::new(dialect, answer.held_by(&gate), Answer::nothing().hang()).await;
            let request = unkept(request);
            let send = pair.gateway.send(&request);
            let open = async {
                pair.second.reached(1).await;
                gate.open();
            };
            let (reply, ()) = tokio::join!(send, open);
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(pair.asked(), (1, 1), "{dialect}");
            pair.second.left().await;
            let tried = pair.tried(&reply).await;
            assert_eq!(tried, "hedge second: hedge not needed; first: 200 (answered)");
        }
    }
}

/// Each side of a translation may be late, and either may be the one that is not translated.
#[tokio::test]
async fn a_translated_request_is_hedged_to_an_account_of_any_dialect() {
    let pairs = [
        (Dialect::Anthropic, CHAT, Dialect::Gemini),
        (CHAT, CHAT, Dialect::Anthropic),
        (Dialect::Gemini, Dialect::Anthropic, CHAT),
        (Dialect::OpenAiResponses, CHAT, Dialect::Anthropic),
    ];
    for (client, late, soon) in pairs {
        for stream in [false, true] {
            let answer =
                if stream { Answer::sse(samples::events(soon)) } else { samples::good(soon) };
            let pair = Pair::of((late, Answer::nothing().hang()), (soon, answer), |config| config);
            let pair = pair.await;
            let request = if stream {
                samples::stream_call(client, MODEL)
            } else {
                samples::call(client, MODEL)
            };
            let reply = pair.gateway.send(&request).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            let text = reply.text();
            assert!(text.contains("three"), "{client} to {soon}: {text}");
            if stream {
                assert_eq!(text.matches("\"one \"").count(), 1, "told once: {text}");
            }
            assert_eq!(pair.asked(), (1, 1), "{client} to {soon}");
            let logged = pair.gateway.logged(&reply.headers).await;
            assert_eq!(logged["account"], "second");
            assert_eq!((&logged["input"], &logged["output"]), (&json!(11), &json!(7)));
        }
    }
}

#[tokio::test]
async fn words_that_mean_nothing_are_no_beginning() {
    let opening = samples::events(Dialect::Anthropic)[..2].concat();
    let late = Answer::sse([opening]).hang();
    let second = Answer::sse(samples::events(Dialect::Anthropic)).after(100);
    let pair = Pair::new(Dialect::Anthropic, late, second).await;
    let reply = pair.gateway.send(&samples::stream_call(Dialect::Anthropic, MODEL)).await;
    assert_eq!(reply.text(), samples::events(Dialect::Anthropic).concat());
    let tried = pair.tried(&reply).await;
    assert_eq!(tried, "first: 200 (overtaken by a hedge); hedge second: 200 (answered)");
}

#[tokio::test]
async fn it_is_off_by_default() {
    let first = Upstream::always(samples::good(CHAT).after(300)).await;
    let second = Upstream::always(samples::good(CHAT)).await;
    let config = Config::new()
        .set("pool", "scheduling", "balance")
        .account(Account::new("first", CHAT, &first.url()))
        .account(Account::new("second", CHAT, &second.url()));
    let gateway = Gateway::start(&config).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!((first.count(), second.count()), (1, 0));
}

#[tokio::test]
async fn a_hedge_that_fails_leaves_the_first_alone() {
    let failures = [
        (samples::refusal(CHAT, 500, "no"), "500 (the server failed)"),
        (
            samples::refusal(CHAT, 429, "slow down").header("retry-after", "40"),
            "429 (429: too many requests)",
        ),
        (Answer::nothing().reset(), ""),
        (Answer::sse(["data: [DONE]\n\n"]), ""),
    ];
    for (failure, said) in failures {
        let gate = Gate::closed();
        let pair = Pair::new(CHAT, samples::good(CHAT).held_by(&gate), failure).await;
        let request = samples::call(CHAT, MODEL);
        let send = pair.gateway.send(&request);
        let open = async {
            pair.second.reached(1).await;
            pair.second.idle().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            gate.open();
        };
        let (reply, ()) = tokio::join!(send, open);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(pair.asked(), (1, 1));
        let tried = pair.tried(&reply).await;
        let tried = tried.as_str().unwrap();
        assert!(tried.starts_with("hedge second: "), "{tried}");
        assert!(tried.contains(said) && tried.ends_with("; first: 200 (answered)"), "{tried}");
    }
}

#[tokio::test]
async fn a_hedge_goes_on_where_the_first_fails() {
    for (failure, stream) in [
        (samples::refusal(CHAT, 500, "no"), false),
        (Answer::nothing().reset(), true),
        (samples::refusal(CHAT, 429, "slow down").header("retry-after", "40"), true),
    ] {
        let (fail, answer) = (Gate::closed(), Gate::closed());
        let good = if stream { Answer::sse(samples::events(CHAT)) } else { samples::good(CHAT) };
        let third = Upstream::always(samples::good(CHAT)).await;
        let account = Account::new("third", CHAT, &third.url());
        let failure = failure.held_by(&fail);
        let pair = Pair::of((CHAT, failure), (CHAT, good.held_by(&answer)), |config| {
            config.account(account)
        })
        .await;
        let request =
            if stream { samples::stream_call(CHAT, MODEL) } else { samples::call(CHAT, MODEL) };
        let send = pair.gateway.send(&request);
        let open = async {
            pair.second.reached(1).await;
            fail.open();
            pair.first.idle().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer.open();
        };
        let (reply, ()) = tokio::join!(send, open);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!((pair.asked(), third.count()), ((1, 1), 0), "no third account at once");
        let tried = pair.tried(&reply).await;
        let tried = tried.as_str().unwrap();
        assert!(tried.starts_with("first: "), "{tried}");
        assert!(tried.ends_with("; hedge second: 200 (answered)"), "{tried}");
    }
}

#[tokio::test]
async fn where_both_fail_the_next_account_is_asked() {
    let third = Upstream::always(samples::good(CHAT)).await;
    let account = Account::new("third", CHAT, &third.url());
    let refusal = samples::refusal(CHAT, 500, "no");
    let pair = Pair::of((CHAT, refusal.clone().after(150)), (CHAT, refusal.after(250)), |config| {
        config.account(account)
    })
    .await;
    let reply = pair.gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!((pair.asked(), third.count()), ((1, 1), 1));
    let tried = pair.tried(&reply).await;
    let tried = tried.as_str().unwrap();
    assert!(
        tried.contains("hedge second: 500") && tried.ends_with("third: 200 (answered)"),
        "{tried}"
    );
}

#[tokio::test]
async fn where_both_fail_and_nobody_is_left_the_client_hears_why() {
    let busy = samples::refusal(CHAT, 429, "slow down").header("retry-after", "40");
    for second in [samples::refusal(CHAT, 500, "no").after(250), Answer::nothing().hang().reset()] {
        let pair = Pair::of((CHAT, busy.clone().after(150)), (CHAT, second), |config| {
            config.set("proxy", "timeouts", json!({ "first_byte": "400ms" }))
        })
        .await;
        let reply = pair.gateway.send(&samples::call(CHAT, MODEL)).await;
        assert_eq!(refused(CHAT, 429, &reply), "slow down");
        assert_eq!(pair.asked(), (1, 1));
    }
}

#[tokio::test]
async fn a_refusal_for_the_requests_own_fault_is_final() {
    let wrong = samples::refusal(CHAT, 400, "a field is wrong").after(150);
    let pair = Pair::new(CHAT, wrong, Answer::nothing().hang()).await;
    let reply = pair.gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!(refused(CHAT, 400, &reply), "a field is wrong");
    pair.second.left().await;
}

#[tokio::test]
async fn both_may_keep_silent_only_so_long() {
    let pair =
        Pair::of((CHAT, Answer::nothing().hang()), (CHAT, Answer::nothing().hang()), |config| {
            config.set("proxy", "timeouts", json!({ "first_byte": "300ms" }))
        })
        .await;
    let reply = pair.gateway.send(&samples::call(CHAT, MODEL)).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    pair.first.left().await;
    pair.second.left().await;
    let tried = pair.tried(&reply).await;
    assert_eq!(tried.as_str().unwrap().matches("no answer in time").count(), 2, "{tried}");
}

#[tokio::test]
async fn a_client_that_leaves_ends_both() {
    let silent = || Answer::nothing().hang();
    let pair = Pair::new(CHAT, silent(), silent()).await;
    let mut connection = pair.gateway.connect().await;
    let call = samples::stream_call(CHAT, MODEL);
    connection.write(&call.head(pair.gateway.address)).await.unwrap();
    connection.write(&call.body).await.unwrap();
    pair.second.reached(1).await;
    drop(connection);
    let limit = Duration::from_millis(500);
    within(limit, "leaving both", async {
        pair.first.left().await;
        pair.second.left().await;
    })
    .await;
    let log = || {
        let log = pair.gateway.stderr();
        log.contains("hedge second: client left; first: client left").then_some(())
    };
    eventually("the log line", log).await;
}

#[tokio::test]
async fn a_hedge_that_loses_in_the_middle_of_its_body_is_dropped() {
    let gate = Gate::closed();
    let first = Upstream::always(samples::good(CHAT).held_by(&gate)).await;
    // It takes connections, and reads nothing.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", deaf.local_addr().unwrap());
    let accounts =
        [("first", first.url()), ("second", url)].map(|(name, url)| Account::new(name, CHAT, &url));
    let [one, other] = accounts;
    let gateway = Gateway::start(&config(one, other)).await;
    let mut body = samples::body(CHAT, MODEL);
    body["messages"][0]["content"] = json!("x".repeat(8 << 20));
    let request = post("/v1/chat/completions", body.to_string());
    let send = gateway.send(&request);
    let open = async {
        let (stream, _) = deaf.accept().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.open();
        stream
    };
    let (reply, mut stream) = tokio::join!(send, open);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut rest = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    let _ = within(Duration::from_secs(2), "its connection's end", read).await;
    assert!(rest.len() < body.to_string().len(), "the body was not sent to its end");
}

#[tokio::test]
async fn a_hedge_that_stalls_after_it_began_is_the_answer_that_broke_off() {
    for ending in [Answer::hang as fn(Answer) -> Answer, Answer::reset] {
        let begun = ending(Answer::sse(samples::begun(CHAT)));
        let pair = Pair::of((CHAT, Answer::nothing().hang()), (CHAT, begun), |config| {
            config.set("proxy", "timeouts", json!({ "idle": "300ms" }))
        })
        .await;
        let reply = pair.gateway.send(&samples::stream_call(CHAT, MODEL)).await;
        assert_eq!(reply.status, 200);
        broke_off(CHAT, &reply.text());
        assert_eq!(reply.text().matches("one ").count(), 1, "{}", reply.text());
        assert_eq!(pair.asked(), (1, 1), "never a second answer");
    }
}

#[tokio::test]
async fn a_hedge_streams_as_it_comes() {
    let gate = Gate::closed();
    let events = samples::events(CHAT);
    let (begun, rest) = events.split_at(1);
    let answer =
        rest.iter().fold(Answer::sse(begun).wait(&gate), |answer, event| answer.event(event));
    let pair = Pair::new(CHAT, Answer::nothing().hang(), answer).await;
    let mut open = pair.gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    gate.open();
    assert!(open.end().await, "a proper end");
    assert_eq!(open.text(), events.concat());
}

#[tokio::test]
async fn the_budget_bounds_the_share() {
    let slow = |_: &Seen| samples::good(CHAT).after(20);
    let [first, second] = [Upstream::new(slow).await, Upstream::new(slow).await];
    let accounts = [("first", &first), ("second", &second)]
        .map(|(name, upstream)| Account::new(name, CHAT, &upstream.url()));
    let [one, other] = accounts;
    let late = json!({ "after": "1ms", "budget": "5%" });
    let gateway = Gateway::start(&config(one, other).set("pool", "hedge", late)).await;
    let client = || async {
        let mut connection = gateway.connect().await;
        for _ in 0..25 {
            let reply = connection.send(&samples::call(CHAT, MODEL)).await.unwrap();
            assert_eq!(reply.status, 200);
        }
    };
    futures::future::join_all((0..8).map(|_| client())).await;
    let asked = first.count() + second.count();
    // Cancelled before its request was written, a hedge is not seen there.
    assert!((203..=210).contains(&asked), "{asked} requests upstream for 200");
}

#[tokio::test]
async fn what_acts_or_is_kept_is_not_asked_twice() {
    let with = |dialect: Dialect, key: &str, value: Value| {
        let mut body = samples::body(dialect, MODEL);
        body[key] = value;
        (dialect, post(samples::path(dialect, MODEL), body.to_string()))
    };
    let search = json!([{ "type": "web_search_20250305", "name": "web_search" }]);
    let requests = [
        with(Dialect::Anthropic, "tools", search),
        with(Dialect::Gemini, "tools", json!([{ "google_search": {} }])),
        with(Dialect::Gemini, "tools", json!([{ "code_execution": {} }])),
        with(Dialect::OpenAiResponses, "tools", json!([{ "type": "web_search" }])),
        with(Dialect::OpenAiResponses, "background", json!(true)),
        (Dialect::OpenAiResponses, samples::call(Dialect::OpenAiResponses, MODEL)),
        with(CHAT, "web_search_options", json!({})),
        with(CHAT, "modalities", json!(["text", "audio"])),
        with(CHAT, "tools", json!([{ "type": "a_new_kind" }])),
    ];
    for (dialect, request) in requests {
        let pair = Pair::new(dialect, samples::good(dialect).after(250), samples::good(dialect));
        let pair = pair.await;
        let reply = pair.gateway.send(&request).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let body = String::from_utf8_lossy(&request.body).into_owned();
        assert_eq!(pair.asked(), (1, 0), "{body}");
    }
}

#[tokio::test]
async fn only_an_account_of_the_same_standing_is_asked() {
    let changes: [fn(Config, Account) -> Config; 4] = [
        |config, account| config.account(account.set("dispatch", "fallback")),
        |config, account| config.account(account.set("enabled", false)),
        |config, account| config.account(account.set("models", json!(["another"]))),
        |config, account| config.set("pool", "max_attempts", 1).account(account),
    ];
    for change in changes {
        let first = Upstream::always(samples::good(CHAT).after(250)).await;
        let second = Upstream::always(samples::good(CHAT)).await;
        let config = Config::new()
            .set("pool", "scheduling", "balance")
            .set("pool", "hedge", json!({ "after": "60ms", "budget": EVERY }))
            .account(Account::new("first", CHAT, &first.url()));
        let config = change(config, Account::new("second", CHAT, &second.url()));
        let gateway = Gateway::start(&config).await;
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
        assert_eq!((first.count(), second.count()), (1, 0));
    }
}

#[tokio::test]
async fn a_full_account_is_not_waited_for() {
    let gate = Gate::closed();
    let upstream = Upstream::always(samples::good(CHAT).held_by(&gate)).await;
    let account = |name| Account::new(name, CHAT, &upstream.url()).set("max_concurrency", 1);
    let gateway = Gateway::start(&config(account("first"), account("second"))).await;
    let call = samples::call(CHAT, MODEL);
    let open = async {
        upstream.reached(2).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        gate.open();
    };
    let (one, two, ()) = tokio::join!(gateway.send(&call), gateway.send(&call), open);
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(upstream.count(), 2, "each had one, and there was no third place");
}

#[tokio::test]
async fn late_is_what_was_measured() {
    let slow = Gate::closed();
    let first = {
        let slow = slow.clone();
        Upstream::new(move |seen: &Seen| {
            let answer = samples::good(CHAT);
            if seen.text().contains("slow") { answer.held_by(&slow) } else { answer }
        })
        .await
    };
    let account = |name| Account::new(name, CHAT, &first.url());
    let late = json!({ "after": "p95", "budget": EVERY });
    let config = config(account("first"), account("second")).set("pool", "hedge", late);
    let gateway = Gateway::start(&config).await;
    let mut body = samples::body(CHAT, MODEL);
    body["messages"][0]["content"] = json!("slow");
    let request = post("/v1/chat/completions", body.to_string());
    let late = async {
        // Nothing is known yet, so nobody is asked beside it.
        let mut open = Box::pin(Open::start(gateway.address, &request));
        tokio::select! {
            _ = &mut open => panic!("it is held"),
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
        }
        first.count()
    };
    assert_eq!(late.await, 1);
    for _ in 0..50 {
        assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    }
    let before = first.count();
    let open = async {
        first.reached(before + 2).await;
        slow.open();
    };
    let (reply, ()) = tokio::join!(gateway.send(&request), open);
    assert_eq!(reply.status, 200);
    assert_eq!(gateway.logged(&reply.headers).await["attempts"], 2);
}

#[tokio::test]
async fn over_http_2_it_is_the_same() {
    for stream in [false, true] {
        let authority = Authority::new();
        let gate = Gate::closed();
        let door = gate.clone();
        let answer = move || {
            if stream { Answer::sse(samples::events(CHAT)) } else { samples::good(CHAT) }
        };
        let late = Upstream::tls(&authority, Offer::Http2, move |seen: &Seen| {
            if seen.text().contains("first wins") {
                answer().held_by(&door)
            } else {
                Answer::nothing().hang()
            }
        });
        let soon = Upstream::tls(&authority, Offer::Http2, move |seen: &Seen| {
            if seen.text().contains("first wins") { Answer::nothing().hang() } else { answer() }
        });
        let (late, soon) = (late.await, soon.await);
        let accounts = [("first", &late), ("second", &soon)]
            .map(|(name, upstream)| Account::new(name, CHAT, &upstream.url()));
        let [first, second] = accounts;
        let trust = authority.file().to_str().unwrap().to_owned();
        let gateway = Gateway::start(&config(first, second).env("SSL_CERT_FILE", trust)).await;
        let request =
            if stream { samples::stream_call(CHAT, MODEL) } else { samples::call(CHAT, MODEL) };
        let whole =
            if stream { samples::events(CHAT).concat() } else { samples::answer(CHAT).to_string() };
        let reply = gateway.send(&request).await;
        assert_eq!((reply.status, reply.text()), (200, whole.clone()));
        late.idle().await;
        assert_eq!((late.count(), soon.count()), (1, 1));
        assert_eq!(soon.only().version, "HTTP/2");
        // Its turn is the second account's, and the first one is asked beside it.
        let body = String::from_utf8(request.body.to_vec()).unwrap().replace("hello", "first wins");
        let request = post(request.target, body);
        let open = async {
            soon.reached(2).await;
            late.reached(2).await;
            gate.open();
        };
        let (reply, ()) = tokio::join!(gateway.send(&request), open);
        assert_eq!((reply.status, reply.text()), (200, whole));
        soon.idle().await;
    }
}

#[tokio::test]
async fn a_client_that_is_kept_alive_hears_the_hedge() {
    let comment = ": keep-alive\n\n";
    let events = samples::events(CHAT);
    let pair = Pair::of(
        (CHAT, Answer::nothing().hang()),
        (CHAT, Answer::sse(&events).after(150)),
        |config| config.set("proxy", "keepalive", "30ms"),
    );
    let pair = pair.await;
    let reply = pair.gateway.send(&samples::stream_call(CHAT, MODEL)).await;
    assert!(reply.text().starts_with(comment), "{}", reply.text());
    assert_eq!(reply.text().replace(comment, ""), events.concat());
}

#[tokio::test]
async fn a_client_that_leaves_a_hedges_stream_ends_it() {
    let begun = Answer::sse(samples::begun(CHAT)).hang();
    let pair = Pair::new(CHAT, Answer::nothing().hang(), begun).await;
    let mut open = pair.gateway.open(&samples::stream_call(CHAT, MODEL)).await;
    open.until("one ").await;
    drop(open);
    pair.second.left().await;
    let log = || pair.gateway.stderr().contains("hedge second: 200 (client left)").then_some(());
    eventually("the log line", log).await;
}

#[tokio::test]
async fn a_stop_ends_both() {
    let silent = || Answer::nothing().hang();
    let pair = Pair::of((CHAT, silent()), (CHAT, silent()), |config| {
        config.set("proxy", "timeouts", json!({ "drain": "200ms" }))
    })
    .await;
    let request = samples::call(CHAT, MODEL);
    let stop = async {
        pair.second.reached(1).await;
        pair.gateway.signal(Signal::SIGTERM);
    };
    let (reply, ()) = tokio::join!(pair.gateway.send(&request), stop);
    refused(CHAT, 503, &reply);
    pair.first.left().await;
    pair.second.left().await;
}

/// The first one has failed, and the client does not wait for the second.
#[tokio::test]
async fn a_client_that_leaves_ends_the_hedge_that_goes_on_alone() {
    let failing = samples::refusal(CHAT, 500, "no").after(150);
    let pair = Pair::new(CHAT, failing, Answer::nothing().hang()).await;
    let mut connection = pair.gateway.connect().await;
    let call = samples::stream_call(CHAT, MODEL);
    connection.write(&call.head(pair.gateway.address)).await.unwrap();
    connection.write(&call.body).await.unwrap();
    pair.second.reached(1).await;
    pair.first.idle().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(connection);
    pair.second.left().await;
    let said = "first: 500 (the server failed); hedge second: client left";
    let log = || pair.gateway.stderr().contains(said).then_some(());
    eventually("the log line", log).await;
}

#[tokio::test]
async fn counts_and_embeddings_are_not_asked_twice() {
    let slow = || Answer::json(200, r#"{"input_tokens":3,"data":[]}"#).after(250);
    for (dialect, path) in
        [(Dialect::Anthropic, "/v1/messages/count_tokens"), (CHAT, "/v1/embeddings")]
    {
        let pair = Pair::new(dialect, slow(), slow()).await;
        let mut body = samples::body(dialect, MODEL);
        body["input"] = json!("hello");
        let reply = pair.gateway.send(&post(path, body.to_string())).await;
        assert_eq!((reply.status, pair.asked()), (200, (1, 0)), "{}", reply.text());
    }
}

/// A second account is asked over the same ways as any other.
#[tokio::test]
async fn a_hedge_goes_through_the_outbound_proxy() {
    let first = Upstream::always(Answer::nothing().hang()).await;
    let second = Upstream::always(samples::good(CHAT)).await;
    let proxy = Proxy::start(Speech::Connect, Manner::Open, second.address).await;
    let far = Account::new("second", CHAT, "http://provider.example")
        .set("outbound_proxy", proxy.url("http"));
    let near = Account::new("first", CHAT, &first.url());
    let gateway = Gateway::start(&config(near, far)).await;
    assert_eq!(gateway.send(&samples::call(CHAT, MODEL)).await.status, 200);
    assert_eq!((first.count(), second.count()), (1, 1));
    assert_eq!(second.only().header("host"), Some("provider.example"));
}
