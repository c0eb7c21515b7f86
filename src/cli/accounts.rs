//! `levity accounts`: how each account of the running gateway fares.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use clap::Args;

use super::client::{Client, Target};
use crate::admin::accounts::{Account, Accounts, Health};
use crate::clock;
use crate::config::environment::Environment;
use crate::error::Failure;

/// The arguments of `levity accounts`.
#[derive(Args, Debug, PartialEq, Eq)]
pub struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Print what the admin API says, as JSON
    #[arg(long)]
    json: bool,
}

/// The columns; numbers stand on the right of theirs.
const COLUMNS: [(&str, Side); 10] = [
    ("NAME", Side::Left),
    ("PROVIDER", Side::Left),
    ("HEALTH", Side::Left),
    ("IN FLIGHT", Side::Right),
    ("ANSWERED", Side::Right),
    ("LIMITED", Side::Right),
    ("FAILED", Side::Right),
    ("TOKENS IN", Side::Right),
    ("OUT", Side::Right),
    ("MODELS", Side::Left),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// Asks the running gateway and prints what it says.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let accounts: Accounts = Client::new(&arguments.target, environment)?.get("/api/accounts")?;
    if arguments.json {
        let text = serde_json::to_string_pretty(&accounts)
            .map_err(|error| Failure::failed(format!("cannot write the accounts: {error}")))?;
        writeln!(out, "{text}")?;
        return Ok(());
    }
    if accounts.accounts.is_empty() {
        writeln!(out, "there is no account; add one to the config")?;
        return Ok(());
    }
    Ok(print(&accounts.accounts, clock::wall(), out)?)
}

fn print(accounts: &[Account], now: SystemTime, out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<[String; 10]> = accounts.iter().map(|account| row(account, now)).collect();
    let width = |column: usize, name: &str| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).chain([name.len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> =
        COLUMNS.iter().enumerate().map(|(at, (name, _))| width(at, name)).collect();
    let line = |cells: &[String], out: &mut dyn Write| {
        let mut line = String::new();
        for ((cell, (_, side)), width) in cells.iter().zip(COLUMNS).zip(&widths) {
            let space = " ".repeat(width.saturating_sub(cell.chars().count()));
            match side {
                Side::Left => line.extend([cell.as_str(), &space, "  "]),
                Side::Right => line.extend([space.as_str(), cell, "  "]),
            }
        }
        writeln!(out, "{}", shown(line.trim_end()))
    };
    line(&COLUMNS.map(|(name, _)| name.to_owned()), out)?;
    for (account, row) in accounts.iter().zip(&rows) {
        line(row, out)?;
        for resting in &account.resting_models {
            writeln!(out, "  {}: {}", shown(&resting.model), in_words(&resting.health, now))?;
        }
    }
    Ok(())
}

fn row(account: &Account, now: SystemTime) -> [String; 10] {
    let Account { tally, tokens, .. } = account;
    [
        account.name.clone(),
        account.provider.clone(),
        in_words(&account.health, now),
        account.in_flight.to_string(),
        tally.served.to_string(),
        tally.limited.to_string(),
        tally.failed.to_string(),
        tokens.input.to_string(),
        tokens.output.to_string(),
        account.models.join(", "),
    ]
}

/// Without what would move the cursor: models are named by clients.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// `limited: rate limit, 12s left`
fn in_words(health: &Health, now: SystemTime) -> String {
    let Health { health, reason, until } = health;
    let until = until.as_deref().and_then(|until| humantime::parse_rfc3339(until).ok());
    let left = until.and_then(|until| until.duration_since(now).ok());
    // To the second: a wait is not over before its last one.
    let left = left.map(|left| Duration::from_secs(left.as_secs() + 1));
    match (reason, left) {
        (Some(reason), Some(left)) => {
            format!("{health}: {reason}, {} left", humantime::format_duration(left))
        }
        (Some(reason), None) => format!("{health}: {reason}"),
        (None, _) => health.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_told_with_the_time_left() {
        let now = humantime::parse_rfc3339("2026-01-31T12:00:00Z").unwrap();
        let told = |health: &str, reason: Option<&str>, until: Option<&str>| {
            let (reason, until) = (reason.map(str::to_owned), until.map(str::to_owned));
            in_words(&Health { health: health.to_owned(), reason, until }, now)
        };
        assert_eq!(told("ok", None, None), "ok");
        assert_eq!(told("rejected", Some("refused its key"), None), "rejected: refused its key");
        let until = Some("2026-01-31T12:01:29.500Z");
        assert_eq!(told("limited", Some("rate limit"), until), "limited: rate limit, 1m 30s left");
    }
}
