//! The request log for people: a line each, and one request in full.

use std::fmt::Write as _;
use std::io::Write;

use crate::error::Failure;
use crate::monitor::record::{Record, Row};

/// Writes the names of the columns.
pub(super) fn heading(out: &mut impl Write) -> Result<(), Failure> {
    let cells = Cells {
        time: "TIME (UTC)",
        status: "STATUS",
        dialect: "DIALECT",
        model: "MODEL",
        account: "ACCOUNT",
        first: "FIRST",
        total: "TOTAL",
        tokens: "TOKENS",
        id: "ID",
        outcome: "",
    };
    write(&cells, out)
}

/// Writes one request as a line.
pub(super) fn row(row: &Row, out: &mut impl Write) -> Result<(), Failure> {
    let time = row.time.seconds().to_string().replace('T', " ");
    let model = if row.model.is_some() { model(row) } else { shown(&row.path) };
    let tokens =
        if row.account.is_some() { format!("{}+{}", row.input, row.output) } else { String::new() };
    let cells = Cells {
        time: time.trim_end_matches('Z'),
        status: &status(row),
        dialect: &row.dialect,
        model: &model,
        account: row.account.as_deref().unwrap_or("-"),
        first: &row.first_byte_ms.map_or_else(|| "-".to_owned(), duration),
        total: &duration(row.total_ms),
        tokens: &tokens,
        id: &row.id,
        outcome: row.outcome.as_deref().unwrap_or_default(),
    };
    write(&cells, out)
}

/// One line, column by column.
struct Cells<'a> {
    time: &'a str,
    status: &'a str,
    dialect: &'a str,
    model: &'a str,
    account: &'a str,
    first: &'a str,
    total: &'a str,
    tokens: &'a str,
    id: &'a str,
    outcome: &'a str,
}

fn write(cells: &Cells<'_>, out: &mut impl Write) -> Result<(), Failure> {
    let Cells { time, status, dialect, model, account, first, total, tokens, id, outcome } = cells;
    let line = format!(
        "{time:<19}  {status:<6}  {dialect:<16}  {model:<28}  {account:<16}  {first:>7}  {total:>7}  {tokens:>13}  {id:<24}  {outcome}"
    );
    Ok(writeln!(out, "{}", line.trim_end())?)
}

/// Writes all that is known of a request.
pub(super) fn detail(record: &Record, out: &mut impl Write) -> Result<(), Failure> {
    let mut text = String::new();
    let Record { row, trail, explain, error, bodies } = record;
    let mut say = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}{value}");
    };
    say("id", &row.id);
    say("time", &row.time.to_string());
    say("request", &format!("{} {}", row.method, shown(&row.path)));
    if let Some(client) = &row.client {
        say("client", &client.to_string());
    }
    say("dialect", &row.dialect);
    if row.model.is_some() {
        say("model", &model(row));
    }
    say("status", &status(row));
    if let Some(outcome) = &row.outcome {
        say("outcome", outcome);
    }
    if let Some(error) = error {
        say("error", &shown(error));
    }
    let first = row.first_byte_ms.map_or_else(|| "-".to_owned(), duration);
    let (waited, total) = (duration(row.waited_ms), duration(row.total_ms));
    say("times", &format!("waited {waited}, first byte {first}, total {total}"));
    let Row { input, cached, output, reasoning, .. } = row;
    say("tokens", &format!("{input} in ({cached} cached), {output} out ({reasoning} reasoning)"));
    if !row.dropped.is_empty() {
        say("dropped", &row.dropped.join(", "));
    }
    for (place, tried) in trail.iter().enumerate() {
        let status = tried.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let (account, note, took) = (&tried.account, &tried.note, duration(tried.ms));
        let name = if place == 0 { "attempts" } else { "" };
        let beside = tried.hedge_ms.map_or_else(String::new, |began| {
            format!(", as a hedge that began at {}", duration(began))
        });
        say(name, &format!("{account}: {status} ({note}) after {took}{beside}"));
    }
    for (place, why) in explain.iter().enumerate() {
        say(if place == 0 { "explain" } else { "" }, &shown(why));
    }
    if let Some(bodies) = bodies {
        let cut = if bodies.truncated { " (cut)" } else { "" };
        for (name, body) in [("request", &bodies.request), ("response", &bodies.response)] {
            let _ = write!(text, "\n{name} body{cut}:\n{}\n", printable(body));
        }
    }
    Ok(write!(out, "{text}")?)
}

/// The model as asked for, and as used where that is another.
fn model(row: &Row) -> String {
    let asked = row.model.as_deref().unwrap_or("-");
    match row.used.as_deref() {
        Some(used) if used != asked => shown(&format!("{asked} > {used}")),
        Some(_) | None => shown(asked),
    }
}

fn status(row: &Row) -> String {
    row.status.map_or_else(|| "-".to_owned(), |status| status.to_string())
}

/// Milliseconds as people read them.
fn duration(milliseconds: u64) -> String {
    if milliseconds < 10_000 {
        format!("{milliseconds}ms")
    } else {
        format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100)
    }
}

/// A client's text in one line: what would steer a terminal is not passed on.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The same for a text of many lines.
fn printable(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let safe = |c: char| c == '\n' || c == '\t' || !c.is_control();
    text.chars().map(|c| if safe(c) { c } else { '\u{fffd}' }).collect()
}
