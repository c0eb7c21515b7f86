//! One line a request: what was asked, who answered, what it cost.

use http::StatusCode;
use tracing::info;
pub(super) use tracing::{debug, error};

use super::exchange::{Exchange, Trial};

/// Writes the line of a request that is over.
pub fn line(exchange: &Exchange) {
    if exchange.quiet {
        return;
    }
    let asked = exchange.call.as_ref().map(|call| call.asked.as_str());
    let usage = exchange.usage.unwrap_or_default();
    let dropped: Vec<&str> = exchange.losses.dropped.iter().copied().collect();
    info!(
        id = exchange.id,
        client = exchange.client.as_deref().unwrap_or("-"),
        dialect = exchange.dialect.name(),
        model = asked,
        used = exchange.used.as_deref(),
        account = exchange.trail.last().map(|trial| trial.name.as_str()),
        attempts = exchange.trail.len(),
        tried = (exchange.trail.len() > 1).then(|| tried(&exchange.trail)),
        status = exchange.status.as_ref().map(StatusCode::as_u16),
        waited_ms = (!exchange.waited.is_zero()).then(|| milliseconds(exchange.waited)),
        first_byte_ms = exchange.first_byte.map(milliseconds),
        total_ms = milliseconds(exchange.elapsed()),
        input = usage.input,
        cached = usage.cache_read,
        output = usage.output,
        dropped = (!dropped.is_empty()).then(|| dropped.join(",")),
        outcome = exchange.outcome,
        "{}",
        exchange.path
    );
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Every attempt, in order: `google-1: 429 (rate limit); google-2: 200 (answered)`.
fn tried(trail: &[Trial]) -> String {
    let each = trail.iter().map(|trial| match trial.status {
        Some(status) => format!("{}: {status} ({})", trial.name, trial.note),
        None => format!("{}: {}", trial.name, trial.note),
    });
    each.collect::<Vec<_>>().join("; ")
}
