//! One line a request: what was asked, who answered, what it cost.

use std::time::Duration;

use http::StatusCode;
use tracing::info;
pub(super) use tracing::{debug, error};

use super::exchange::{Choice, Exchange};
use crate::address;
use crate::clock::milliseconds;

/// Writes the line of a request that is over, so long after it began.
pub fn line(exchange: &Exchange, total: Duration) {
    if exchange.quiet {
        return;
    }
    if tracing::enabled!(tracing::Level::DEBUG) {
        for line in explanation(exchange) {
            debug!(id = exchange.id, "{line}");
        }
    }
    let asked = exchange.call.as_ref().map(|call| call.asked.as_str());
    let usage = exchange.usage.unwrap_or_default();
    let dropped: Vec<&str> = exchange.losses.names().collect();
    info!(
        message = exchange.path,
        id = exchange.id,
        client = exchange.client.map_or_else(|| "-".to_owned(), address::text),
        dialect = exchange.dialect.name(),
        model = asked,
        used = exchange.used.as_deref(),
        account = exchange.trail.last().map(|trial| exchange.name(trial)),
        attempts = exchange.trail.len(),
        tried = (exchange.trail.len() > 1).then(|| tried(exchange)),
        status = exchange.status.as_ref().map(StatusCode::as_u16),
        waited_ms = (!exchange.waited.is_zero()).then(|| milliseconds(exchange.waited)),
        first_byte_ms = exchange.first_byte.map(milliseconds),
        total_ms = milliseconds(total),
        input = usage.input,
        cached = usage.cache_read,
        output = usage.output,
        dropped = (!dropped.is_empty()).then(|| dropped.join(",")),
        outcome = exchange.outcome,
    );
}

/// Each choice among accounts in words: `after 0 ms: google-1 chosen; openai-1 behind: …`.
pub fn explanation(exchange: &Exchange) -> Vec<String> {
    let began = exchange.began.monotonic;
    let choice = |choice: &Choice| {
        let after = milliseconds(choice.at.saturating_duration_since(began));
        let mut line = String::with_capacity(64 * choice.considered.len());
        line.push_str("after ");
        line.push_str(itoa::Buffer::new().format(after));
        line.push_str(" ms: ");
        for (place, considered) in choice.considered.iter().enumerate() {
            line.push_str(if place > 0 { "; " } else { "" });
            line.push_str(exchange.live.name(considered.account));
            line.push(' ');
            considered.say(choice.at, &mut line);
        }
        line
    };
    exchange.choices.iter().map(choice).collect()
}

/// Every attempt, in the order of their ends: `google-1: 429 (rate limit); google-2: 200 (answered)`. One that was made
/// beside another begins with `hedge`.
fn tried(exchange: &Exchange) -> String {
    let each = exchange.trail.iter().map(|trial| {
        let hedge = if trial.hedged { "hedge " } else { "" };
        let name = exchange.name(trial);
        match trial.status {
            Some(status) => format!("{hedge}{name}: {status} ({})", trial.note),
            None => format!("{hedge}{name}: {}", trial.note),
        }
    });
    each.collect::<Vec<_>>().join("; ")
}
