//! Every fixture, said to every other dialect: the snapshots are what clients and providers get.
//!
//! Within one dialect nothing is written anew, so each fixture has three snapshots. Ids and times are made of
//! `exchange::EXCHANGE`, and so the same each time.

#![expect(clippy::disallowed_types, reason = "fixtures are compared as JSON")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "support/exchange.rs"]
mod exchange;

use std::fmt::Write as _;

use exchange::{Fixture, Kind, ask, asked, fixtures, others, retell};
use levity::ir::error::Error;
use levity::ir::losses::Losses;
use serde_json::Value;

/// Fixtures that try how something is read; the answer that it comes to is another's too.
const TOLD_ELSEWHERE: &[&str] = &[
    "array",
    "array_error",
    "bare_events",
    "calls_told_at_the_end",
    "error_flat",
    "garbage",
    "late_parts",
    "nothing",
    "only_the_last_event",
    "raw_thoughts_interleaved",
];

/// Compares what each other dialect gets of every fixture of a kind; `say` gives it for one of them.
fn check(kind: Kind, folder: &str, say: impl Fn(&Fixture, levity::dialects::Dialect) -> String) {
    for fixture in fixtures() {
        if fixture.kind != kind || TOLD_ELSEWHERE.contains(&fixture.name.as_str()) {
            continue;
        }
        for other in others(fixture.dialect) {
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path(format!("golden/{folder}"));
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.set_snapshot_suffix(other.name());
            settings.set_info(&input(&fixture));
            let name = format!("{}__{}", fixture.dialect, fixture.name);
            settings.bind(|| insta::assert_snapshot!(name, say(&fixture, other)));
        }
    }
}

/// A fixture as it stands beside its snapshot: JSON, or the lines of a stream that say something.
fn input(fixture: &Fixture) -> Value {
    serde_json::from_slice(&fixture.body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&fixture.body).into_owned();
        text.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
    })
}

fn pretty(body: &[u8]) -> String {
    serde_json::to_string_pretty(&serde_json::from_slice::<Value>(body).unwrap()).unwrap()
}

fn lost(losses: &Losses) -> String {
    let dropped: Vec<&str> = losses.names().collect();
    let mut text = format!("dropped: {}\n", dropped.join(", "));
    for (field, reason) in &losses.refused {
        let _ = writeln!(text, "refused: {field}: {reason}");
    }
    text
}

fn failed(error: &Error) -> String {
    format!("{} {:?}: {}", error.status, error.kind, error.message)
}

#[test]
fn requests() {
    check(Kind::Request, "requests", |fixture, account| {
        match ask(fixture.dialect, account, &fixture.body) {
            Ok((_, body, losses)) => format!("{}\n{}", lost(&losses), pretty(&body)),
            Err(error) => failed(&error),
        }
    });
}

#[test]
fn answers() {
    check(Kind::Answer, "answers", |fixture, client| {
        match asked(client, fixture.dialect).answer(&fixture.body) {
            Ok((body, losses, _)) => format!("{}\n{}", lost(&losses), pretty(&body)),
            Err(error) => failed(&error),
        }
    });
}

#[test]
fn streams() {
    check(Kind::Stream, "streams", |fixture, client| {
        let (told, losses) = retell(&asked(client, fixture.dialect), &fixture.body);
        format!("{}\n{told}", lost(&losses))
    });
}
