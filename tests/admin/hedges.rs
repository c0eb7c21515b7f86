//! `pool.hedge`, as it is shown: in the status, the metrics and the request log.

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::harness;
use crate::support::client::{Open, get};
use crate::support::gateway::{Account, Config, ended};
use crate::support::samples::{self, MODEL};
use crate::support::script::{Answer, Gate, Seen};
use crate::support::upstream::Upstream;

const CHAT: Dialect = Dialect::OpenAiChat;

/// An account that answers what each request's user wants of it: soon, never, when the door is open, or not.
async fn account(name: &str, place: usize, door: &Gate) -> (Account, Upstream) {
    let door = door.clone();
    let upstream = Upstream::new(move |seen: &Seen| {
        let body: Value = serde_json::from_slice(&seen.body).unwrap();
        match body["user"].as_str().unwrap().split(' ').nth(place).unwrap() {
            "answers" => samples::good(CHAT),
            "waits" => samples::good(CHAT).held_by(&door),
            "fails" => samples::refusal(CHAT, 500, "no"),
            _ => Answer::nothing().hang(),
        }
    })
    .await;
    (Account::new(name, CHAT, &upstream.url()), upstream)
}

#[tokio::test]
async fn what_became_of_second_accounts_is_shown() {
    let door = Gate::closed();
    let (first, one) = account("first", 0, &door).await;
    let (second, other) = account("second", 1, &door).await;
    let config = Config::new()
        .set("pool", "scheduling", "balance")
        .set("pool", "hedge", json!({ "after": "60ms", "budget": "100%" }))
        // Whatever it has come to, the first one is asked first.
        .account(first.set("weight", 1000))
        .account(second);
    let (gateway, console) = harness::start(config).await;
    let call = |user: &str| {
        let mut body = samples::body(CHAT, MODEL);
        body["user"] = json!(user);
        crate::support::client::post(samples::path(CHAT, MODEL), body.to_string())
    };
    let won = gateway.send(&call("hangs answers")).await;
    let (failing, leaving) = (call("waits fails"), call("hangs hangs"));
    {
        let mut left = Box::pin(Open::start(gateway.address, &leaving));
        tokio::select! {
            _ = &mut left => panic!("nobody answers"),
            () = other.reached(2) => {}
        }
    }
    let open = async {
        other.reached(3).await;
        other.idle().await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        door.open();
    };
    let (failed, ()) = tokio::join!(gateway.send(&failing), open);
    assert_eq!((won.status, failed.status), (200, 200));
    let status = console.status("three ends", |status| status["requests"]["open"] == 0).await;
    let shown = json!({ "after": "60ms", "budget": "100%", "requests": 3, "won": 1, "lost": 1,
        "failed": 1, "share": 100.0 });
    assert_eq!(status["hedges"], shown);
    let line = "hedges    100% of 3 requests (after 60ms, at most 100%): 1 won, 1 lost, 1 failed";
    let said = ended(gateway.home.command(&["status", "--console-port", &console.port()]));
    assert!(said.stdout.contains(line), "{}", said.stdout);
    let trail = trail(&console, won.header("x-request-id").unwrap()).await;
    assert_eq!(trail[0]["account"], "first");
    assert_eq!(trail[0].get("hedge_ms"), None);
    assert_eq!((&trail[1]["account"], &trail[1]["status"]), (&json!("second"), &json!(200)));
    assert!(trail[1]["hedge_ms"].as_u64().unwrap() >= 40, "{trail}");
    console.logged(3).await;
    let metrics = console.send_bare(&get("/metrics")).await.text();
    for line in [
        "levity_hedges_total{outcome=\"won\"} 1",
        "levity_hedges_total{outcome=\"lost\"} 1",
        "levity_hedges_total{outcome=\"failed\"} 1",
        "levity_account_in_flight{account=\"first\"} 0",
        "levity_account_in_flight{account=\"second\"} 0",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} in\n{metrics}");
    }
    assert_eq!((one.count(), other.count()), (3, 3));
}

/// The attempts of a request, and that the choice of a second account is explained.
async fn trail(console: &harness::Console, id: &str) -> Value {
    console.logged(3).await;
    let record = console.read(&format!("/api/log/{id}")).await;
    let explained = record["explain"].as_array().unwrap();
    assert_eq!(explained.len(), 2, "{record}");
    assert!(explained[1].as_str().unwrap().contains("second chosen"), "{record}");
    record["trail"].clone()
}

#[tokio::test]
async fn it_is_set_like_any_other_setting() {
    let upstream = Upstream::always(samples::good(CHAT)).await;
    let (_gateway, console) = harness::start(Config::two(CHAT, &upstream)).await;
    let off = console.read("/api/config").await;
    assert_eq!(off["values"]["pool"]["hedge"], json!({ "after": "off", "budget": "5%" }));
    let asked = |body: Value| {
        console.send(crate::support::client::Request {
            method: "PATCH",
            ..crate::support::client::post("/api/config", body.to_string())
        })
    };
    let changed = asked(json!({ "pool.hedge.after": "p95", "pool.hedge.budget": "2.5%" })).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let hedge = changed.json()["config"]["values"]["pool"]["hedge"].clone();
    assert_eq!(hedge, json!({ "after": "p95", "budget": "2.5%" }));
    let wrong = asked(json!({ "pool.hedge.after": "p30" })).await;
    assert!(wrong.status >= 400 && wrong.text().contains("from p50 to p99"), "{}", wrong.text());
}
