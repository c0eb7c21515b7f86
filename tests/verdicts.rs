//! What each provider's errors come to; the cases are in `fixtures/pool`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use levity::clock::Now;
use levity::config::Provider;
use levity::pool::cooldown::Wait;
use levity::pool::verdict::{Answer, Failure, Kind, Outcome, Scope, Verdict, judge, judge_event};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, proptest};
use proptest::test_runner::FileFailurePersistence;

/// One case of a fixture file.
struct Case<'a> {
    name: &'a str,
    provider: Provider,
    status: StatusCode,
    headers: HeaderMap,
    body: &'a str,
    expected: &'a str,
}

impl<'a> Case<'a> {
    fn parse(text: &'a str) -> Self {
        let (name, text) = text.split_once('\n').unwrap();
        let (text, expected) = text.rsplit_once("--> ").unwrap();
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (provider, status) = lines.next().unwrap().split_once(' ').unwrap();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap())
        });
        Self {
            name,
            provider: provider_named(provider),
            status: status.parse().unwrap(),
            headers: headers.collect(),
            body: body.trim_end(),
            expected: expected.trim(),
        }
    }
}

fn provider_named(name: &str) -> Provider {
    match name {
        "gemini" => Provider::Gemini,
        "vertex" => Provider::Vertex,
        "openai" => Provider::OpenAi,
        "anthropic" => Provider::Anthropic,
        "zai" => Provider::Zai,
        "custom" => Provider::Custom,
        other => panic!("no provider {other}"),
    }
}

fn short(outcome: Outcome, now: Now) -> String {
    let scope = |scope| match scope {
        Scope::Model => "model",
        Scope::Account => "account",
        Scope::Provider => "provider",
    };
    match outcome {
        Outcome::Served => "served".to_owned(),
        Outcome::Abandoned => "abandoned".to_owned(),
        Outcome::ClientFault => "client".to_owned(),
        Outcome::Unfit => "unfit".to_owned(),
        Outcome::Missing => "missing".to_owned(),
        Outcome::Rejected => "rejected".to_owned(),
        Outcome::Failed { scope: of, .. } => format!("failed {}", scope(of)),
        Outcome::Limited { scope: of, kind, wait } => {
            let kind = match kind {
                Kind::Rate => "rate",
                Kind::Quota => "quota",
                Kind::Capacity => "capacity",
            };
            let wait = match wait {
                Wait::Until(until) => (until - now.monotonic).as_millis().to_string(),
                Wait::Unknown => "?".to_owned(),
            };
            format!("{} {kind} {wait}", scope(of))
        }
    }
}

fn check(fixture: &str, judge: impl Fn(&Answer<'_>, Now) -> Verdict) {
    // 2026-11-21T12:00:00Z
    let wall = UNIX_EPOCH + Duration::from_hours(498_684);
    let now = Now { wall, ..Now::read() };
    let mut wrong = String::new();
    for text in fixture.split("\n=== ").skip(1) {
        let case = Case::parse(text);
        let Case { name, provider, status, headers, body, expected } = &case;
        let answer =
            Answer { provider: *provider, status: *status, headers, body: body.as_bytes() };
        let verdict = judge(&answer, now);
        let found = short(verdict.outcome, now);
        if found != *expected {
            let note = verdict.note;
            writeln!(wrong, "{provider:?} {name}: {found} ({note}), not {expected}").unwrap();
        }
        let stays = matches!(*expected, "served" | "client");
        assert_eq!(verdict.moves_on(), !stays, "{name}");
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn answers() {
    check(include_str!("fixtures/pool/answers.txt"), judge);
}

#[test]
fn error_events_in_a_stream() {
    check(include_str!("fixtures/pool/events.txt"), judge_event);
}

#[test]
fn attempts_without_an_answer_move_on() {
    for failure in
        [Failure::Connect, Failure::Broken, Failure::Stalled, Failure::Garbled, Failure::Empty]
    {
        assert!(Verdict::failed(failure).moves_on(), "{failure:?}");
    }
    assert!(!Verdict::ABANDONED.moves_on());
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_body_panics(
        status in 100_u16..600,
        bytes in vec(proptest::num::u8::ANY, 0..200),
        text in "\\PC{0,20}",
    ) {
        panics_not(StatusCode::from_u16(status).unwrap(), &bytes, &text);
    }
}

fn panics_not(status: StatusCode, bytes: &[u8], text: &str) {
    let mut headers = HeaderMap::new();
    for name in ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "date"] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    let error = format!(
        r#"{{"error":{{"message":"try again in {text}, reset at {text}","details":[{{"retryDelay":"{text}"}}]}}}}"#
    );
    for body in [bytes, text.as_bytes(), error.as_bytes()] {
        let answer = Answer { provider: Provider::Zai, status, headers: &headers, body };
        judge(&answer, Now::read());
        judge_event(&answer, Now::read());
    }
}

#[test]
fn a_server_without_a_counter_is_no_worse_for_it() {
    let verdict = |status, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        let headers = &HeaderMap::new();
        let answer = Answer { provider: Provider::Custom, status, headers, body: body.as_bytes() };
        judge(&answer, Now::read()).on_count(status).outcome
    };
    for (status, body) in [
        (404, "404 page not found"),
        (404, r#"{"type":"error","error":{"type":"not_found_error","message":"Not Found"}}"#),
        (405, r#"{"detail":"Method Not Allowed"}"#),
        (501, ""),
    ] {
        assert_eq!(verdict(status, body), Outcome::Unfit, "{status} {body}");
    }
    let no_model = r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#;
    assert_eq!(verdict(404, no_model), Outcome::Missing);
    assert_eq!(verdict(400, "{}"), Outcome::ClientFault);
    assert_eq!(verdict(401, "{}"), Outcome::Rejected);
}

#[test]
fn a_server_without_embeddings_is_no_worse_for_it() {
    let verdict = |status, body: &str| {
        let status = StatusCode::from_u16(status).unwrap();
        let headers = &HeaderMap::new();
        let answer = Answer { provider: Provider::Custom, status, headers, body: body.as_bytes() };
        judge(&answer, Now::read()).on_embedding(status).outcome
    };
    let no_model = r#"{"error":{"code":404,"message":"models/m is not found, or is not supported for embedContent","status":"NOT_FOUND"}}"#;
    for (status, body) in [
        (404, "404 page not found"),
        (404, no_model),
        (405, r#"{"detail":"Method Not Allowed"}"#),
        (501, ""),
    ] {
        assert_eq!(verdict(status, body), Outcome::Unfit, "{status} {body}");
    }
    assert_eq!(verdict(400, "{}"), Outcome::ClientFault);
    assert_eq!(verdict(401, "{}"), Outcome::Rejected);
}
