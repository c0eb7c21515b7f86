//! What is found again: everything that was recorded, by each filter, in the order of time.

use std::time::Duration;

use levity::monitor::filter::{Filter, Status};
use levity::monitor::record::{Bodies, Record, Row, Time, number};

use super::support::*;

#[tokio::test]
async fn a_request_is_found_as_it_was_recorded() {
    let log = Log::new();
    let record = Record {
        explain: vec!["google-2 rests".to_owned()],
        error: Some("the stream broke off".to_owned()),
        bodies: Some(Box::new(Bodies {
            request: b"{\"model\":\"short\"}".to_vec(),
            response: "grüße".as_bytes().to_vec(),
            truncated: true,
        })),
        ..answered(ago(Duration::ZERO))
    };
    log.record(record.clone());
    assert_eq!(log.rows(&Filter::default()).await, std::slice::from_ref(&record.row));
    let id = record.row.id.clone();
    let found = log.monitor.ask(move |reader| reader.find(&id)).await.unwrap().flatten();
    assert_eq!(found, Some(record));
    for unknown in ["req_222222222222222222222", "", "x' OR 1=1"] {
        let found = log.monitor.ask(move |reader| reader.find(unknown)).await.unwrap().flatten();
        assert_eq!(found, None, "{unknown}");
    }
}

#[tokio::test]
async fn each_filter_finds_its_own() {
    let log = Log::new();
    let minute = |minutes| ago(Duration::from_mins(minutes));
    let mut other = answered(minute(4));
    other.row = Row {
        model: Some("claude%_5".to_owned()),
        used: Some("claude-sonnet-5".into()),
        account: Some("anthropic-1".into()),
        dialect: "anthropic".into(),
        path: "/v1/messages".to_owned(),
        caller: Some("team-a".to_owned()),
        ..other.row
    };
    let mut broken = answered(minute(3));
    broken.row.outcome = Some("upstream broke off".into());
    let mut left = answered(minute(2));
    (left.row.outcome, left.row.status) = (Some("client left".into()), None);
    let records = [answered(minute(5)), other, broken, left, refused(minute(1), 401)];
    let ids = records.each_ref().map(|record| record.row.id.clone());
    for record in records.iter().cloned() {
        log.record(record);
    }
    let text = |text: &str| Filter { text: Some(text.to_owned()), ..Filter::default() };
    let status = |text: &str| Filter { status: Status::parse(text), ..Filter::default() };
    let model = |text: &str| Filter { model: Some(text.to_owned()), ..Filter::default() };
    let cases: [(Filter, &[usize]); 21] = [
        (Filter::default(), &[4, 3, 2, 1, 0]),
        (status("2xx"), &[2, 1, 0]),
        (status("401"), &[4]),
        (status("error"), &[4, 2]),
        (model("short"), &[3, 2, 0]),
        (model("claude-sonnet-5"), &[1]),
        (model("claude"), &[]),
        (Filter { account: Some("anthropic-1".into()), ..Filter::default() }, &[1]),
        (Filter { dialect: Some("anthropic".into()), ..Filter::default() }, &[1]),
        (Filter { caller: Some("team-a".into()), ..Filter::default() }, &[1]),
        (text("MESSAGES"), &[1]),
        (text("sonnet"), &[1]),
        (text("refused with"), &[4]),
        (text("broke"), &[2]),
        (text(&ids[2]), &[2]),
        (text("%_5"), &[1]),
        (text("%"), &[1]),
        (text("'; DROP TABLE requests; --"), &[]),
        (Filter { account: Some("' OR ''='".into()), ..Filter::default() }, &[]),
        (Filter { since: Some(records[2].row.time), ..Filter::default() }, &[4, 3, 2]),
        (Filter { until: Some(records[2].row.time), ..Filter::default() }, &[1, 0]),
    ];
    for (filter, expected) in cases {
        let expected: Vec<&String> = expected.iter().map(|place| &ids[*place]).collect();
        let found = log.ids(&filter).await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
        let passing = records
            .iter()
            .rev()
            .filter(|record| filter.passes(&record.row, record.error.as_deref()));
        let passing: Vec<&String> = passing.map(|record| &record.row.id).collect();
        assert_eq!(passing, expected, "live: {filter:?}");
    }
}

#[test]
fn kinds_of_status_are_read() {
    for (text, status) in [
        ("429", Some(Status::Within(429, 429))),
        ("5xx", Some(Status::Within(500, 599))),
        ("error", Some(Status::Error)),
        ("9xx", None),
        ("2000", None),
        ("42", None),
        ("1 OR 1", None),
        ("", None),
    ] {
        assert_eq!(Status::parse(text), status, "{text}");
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    let log = Log::new();
    // Many of one millisecond, as they come on a busy gateway.
    let now = ago(Duration::ZERO);
    for _ in 0..1000 {
        log.record(answered(now));
    }
    let mut seen = Vec::new();
    loop {
        let before: Option<String> = seen.last().cloned();
        let page = move |reader: &levity::monitor::query::Reader| {
            reader.rows(&Filter::default(), before.as_deref(), 77)
        };
        let page = log.monitor.ask(page).await.unwrap().unwrap();
        if page.is_empty() {
            break;
        }
        seen.extend(page.into_iter().map(|row| row.id));
    }
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!((seen.len(), once.len()), (1000, 1000));
    for id in seen {
        let wanted = id.clone();
        let found = log.monitor.ask(move |reader| reader.find(&wanted)).await.unwrap().flatten();
        assert_eq!(found.unwrap().row.id, id);
    }
}

#[tokio::test]
async fn requests_that_took_long_stand_where_they_began() {
    let log = Log::new();
    let seconds = |seconds| answered(ago(Duration::from_secs(seconds)));
    // What ends together began at all times; written in three batches, whose times overlap.
    let mut ids = Vec::new();
    for batch in 0..3 {
        for place in 0..400 {
            let record = seconds(place * 3 + batch);
            ids.push(record.row.id.clone());
            log.record(record);
        }
        log.monitor.flush().await;
    }
    ids.sort();
    ids.reverse();
    assert_eq!(log.ids(&Filter::default()).await, ids);
    for (limit, before) in [(1, None), (5, None), (100, Some(250)), (300, Some(1000))] {
        let last = before.map(|place: usize| ids[place].clone());
        let page = move |reader: &levity::monitor::query::Reader| {
            reader.rows(&Filter::default(), last.as_deref(), limit)
        };
        let page = log.monitor.ask(page).await.unwrap().unwrap();
        let page: Vec<String> = page.into_iter().map(|row| row.id).collect();
        let from = before.map_or(0, |place| place + 1);
        assert_eq!(page, ids[from..ids.len().min(from + limit)], "{limit} before {before:?}");
    }
    for id in ids.into_iter().step_by(97) {
        let wanted = id.clone();
        let found = log.monitor.ask(move |reader| reader.find(&wanted)).await.unwrap().flatten();
        assert_eq!(found.unwrap().row.id, id);
    }
}

#[tokio::test]
async fn two_of_the_same_number_are_two() {
    let log = Log::new();
    let first = answered(ago(Duration::ZERO));
    let mut second = first.clone();
    // Only the letters behind the first thirteen differ.
    let tail = if first.row.id.ends_with('a') { 'b' } else { 'a' };
    second.row.id.pop();
    second.row.id.push(tail);
    let bodies = |text: &str| Bodies { request: text.as_bytes().to_vec(), ..Bodies::default() };
    for (record, text) in [(first, "one"), (second, "other")] {
        let bodies = Some(Box::new(bodies(text)));
        let record = Record { bodies, ..record };
        let id = record.row.id.clone();
        log.record(record.clone());
        log.monitor.flush().await;
        let found = log.monitor.ask(move |reader| reader.find(&id)).await.unwrap().flatten();
        assert_eq!(found, Some(record));
    }
    assert_eq!(log.count().await, 2);
}

#[test]
fn a_count_that_is_estimated_has_not_failed() {
    let mut record = answered(ago(Duration::ZERO));
    for (outcome, status, failed) in [
        (None, Some(200), false),
        (None, Some(404), true),
        (None, None, true),
        (Some("estimated"), Some(200), false),
        (Some("client left"), None, false),
        (Some("upstream broke off"), Some(200), true),
    ] {
        record.row.outcome = outcome.map(Into::into);
        record.row.status = status;
        assert_eq!(record.row.failed(), failed, "{outcome:?} {status:?}");
    }
}

#[test]
fn an_id_says_when_its_request_began() {
    let record = answered(ago(Duration::ZERO));
    let (number, time) = (number(&record.row.id).unwrap(), record.row.time);
    assert_eq!(Time::of_number(number), time);
    assert!((time.first_number()..Time(time.0 + 1).first_number()).contains(&number));
    for none in ["", "req_", "req_1", "req_0000000000000000000", "resp_2345"] {
        assert_eq!(levity::monitor::record::number(none), None, "{none}");
    }
}

#[tokio::test]
async fn listeners_hear_each_request_once() {
    let log = Log::new();
    let mut live = log.monitor.live();
    let records = [answered(ago(Duration::ZERO)), refused(ago(Duration::ZERO), 404)];
    for record in &records {
        log.record(record.clone());
    }
    for record in records {
        assert_eq!(*live.recv().await.unwrap(), record.row);
    }
    log.monitor.flush().await;
    assert!(live.try_recv().is_err());
}

#[tokio::test]
async fn a_log_that_is_cleared_is_empty_and_its_sums_stay() {
    let log = Log::new();
    let mut record = answered(ago(Duration::ZERO));
    record.row.path = "/a-path-to-forget".to_owned();
    log.record(record);
    assert_eq!(log.count().await, 1);
    log.monitor.clear().await.unwrap();
    assert_eq!(log.count().await, 0);
    let hours: i64 =
        log.file().query_row("SELECT sum(requests) FROM hours", [], |row| row.get(0)).unwrap();
    assert_eq!(hours, 1);
    for suffix in ["", "-wal"] {
        let bytes = std::fs::read(format!("{}{suffix}", log.path.display())).unwrap();
        let found = bytes.windows(17).any(|window| window == b"/a-path-to-forget");
        assert!(!found, "it stands in the file{suffix}");
    }
}

#[tokio::test]
async fn a_log_that_is_closed_is_not_cleared() {
    let log = Log::new();
    log.record(answered(ago(Duration::ZERO)));
    log.monitor.close();
    let cleared = tokio::time::timeout(Duration::from_secs(20), log.monitor.clear()).await;
    assert!(cleared.unwrap().is_err());
}

#[tokio::test]
async fn what_a_client_makes_up_is_cut() {
    let log = Log::new();
    let mut record = refused(ago(Duration::ZERO), 400);
    record.row.path = format!("/{}", "p".repeat(100_000));
    record.row.model = Some("m".repeat(100_000));
    record.error = Some("é".repeat(100_000));
    assert!(record.size() > 400_000, "it is counted by its weight");
    let id = record.row.id.clone();
    log.record(record);
    let found = log.monitor.ask(move |reader| reader.find(&id)).await.unwrap().unwrap().unwrap();
    assert_eq!((found.row.path.len(), found.row.model.unwrap().len()), (512, 512));
    assert_eq!(found.error.unwrap().len(), 4096);
}
