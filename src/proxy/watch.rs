//! What is remembered of a request beside its line in the log: the counters, its trace, and its record in the request log.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::exchange::{Call, Exchange};
use super::log;
use super::reply::Reply;
use super::trace;
use crate::clock::milliseconds;
use crate::ir::losses::Losses;
use crate::metrics::Metrics;
use crate::metrics::names::{self, Seen};
use crate::monitor::Monitor;
use crate::monitor::record::{Record, Row, Time, Tried, Word};
use crate::route::Operation;
use crate::telemetry::Traces;

/// What keeps an eye on requests.
#[derive(Clone)]
pub struct Watch {
    /// The request log.
    pub monitor: Monitor,
    /// The counters.
    pub metrics: Metrics,
    /// The way to a collector of traces.
    pub traces: Traces,
}

impl Watch {
    /// A request has begun.
    pub fn begin(&self, exchange: &mut Exchange) {
        exchange.bodies = self.monitor.keeps_bodies().then(Box::default);
    }

    /// The client hears another piece of the answer.
    pub fn hear(&self, exchange: &mut Exchange, piece: Option<&[u8]>) {
        let is_new = exchange.open_stream.is_none() && exchange.first_byte.is_some();
        if is_new && exchange.reply.as_ref().is_some_and(Reply::is_stream) {
            exchange.open_stream = Some(self.metrics.open_stream());
        }
        if let Some(piece) = piece {
            exchange.note_answer(piece);
        }
    }

    /// A request is over, so long after it began; what its record needs is taken out of the exchange. `headers` are the
    /// client's.
    pub fn end(&self, exchange: &mut Exchange, headers: &HeaderMap, total: Duration) {
        // It is counted before it is no longer open: who sees the one sees the other.
        let open_stream = exchange.open_stream.take();
        if exchange.quiet {
            return;
        }
        let seen = seen(exchange, total);
        self.metrics.count(&seen);
        drop(open_stream);
        if let Some(tracer) = self.traces.tracer() {
            trace::tell(&tracer, exchange, headers, &seen);
        }
        if self.monitor.is_on() {
            self.monitor.record(record(exchange, total));
        }
    }
}

fn seen(exchange: &Exchange, total: Duration) -> Seen<'_> {
    let account = exchange.trail.last().and_then(|trial| exchange.live.pool.account(trial.account));
    let operation = exchange.call.as_ref().map(|call| match call.operation {
        Operation::Generate | Operation::GenerateContent | Operation::StreamGenerateContent => {
            names::Operation::Generate
        }
        Operation::CountTokens | Operation::Stored(_) => names::Operation::Count,
        Operation::Embed | Operation::BatchEmbed => names::Operation::Embed,
    });
    Seen {
        dialect: exchange.dialect,
        operation,
        asked: account.and_then(|account| Some((account.config.provider, exchange.used.as_ref()?))),
        status: exchange.status.map(|status| status.as_u16()),
        outcome: exchange.outcome,
        first_byte: exchange.first_byte,
        total,
        usage: exchange.usage,
    }
}

fn record(exchange: &mut Exchange, total: Duration) -> Box<Record> {
    let trail: Vec<Tried> = exchange
        .trail
        .iter()
        .map(|trial| Tried {
            account: exchange.live.shared_name(trial.account),
            status: trial.status,
            note: Word::Borrowed(trial.note),
            ms: milliseconds(trial.took),
            hedge_ms: trial.hedged.then(|| {
                milliseconds(trial.since.saturating_duration_since(exchange.began.monotonic))
            }),
        })
        .collect();
    let usage = exchange.usage.unwrap_or_default();
    let time = exchange.began.since_epoch().as_millis();
    let (method, path) = method_and_path(std::mem::take(&mut exchange.path));
    let row = Row {
        time: Time(u64::try_from(time).unwrap_or(u64::MAX)),
        client: exchange.client,
        caller: None,
        dialect: Word::Borrowed(exchange.dialect.name()),
        method,
        path,
        model: exchange.call.as_mut().map(|call: &mut Call| std::mem::take(&mut call.asked)),
        used: exchange.used.take(),
        account: trail.last().map(|tried| Arc::clone(&tried.account)),
        stream: exchange.call.as_ref().is_some_and(|call| call.stream),
        status: exchange.status.map(|status| status.as_u16()),
        outcome: exchange.outcome.map(Word::Borrowed),
        waited_ms: milliseconds(exchange.waited),
        first_byte_ms: exchange.first_byte.map(milliseconds),
        total_ms: milliseconds(total),
        attempts: u32::try_from(trail.len()).unwrap_or(u32::MAX),
        input: usage.input,
        cached: usage.cache_read,
        output: usage.output,
        reasoning: usage.reasoning,
        dropped: dropped(&exchange.losses),
        id: std::mem::take(&mut exchange.id),
    };
    Box::new(Record {
        row,
        trail,
        explain: log::explanation(exchange),
        error: exchange.error.take(),
        bodies: exchange.bodies.take(),
    })
}

fn dropped(losses: &Losses) -> Vec<Word> {
    let known = losses.dropped.iter().copied().map(Word::Borrowed);
    known.chain(losses.unread.iter().cloned().map(Word::Owned)).collect()
}

/// Both halves of `POST /v1/messages`. A method is nearly always one of a few.
fn method_and_path(mut line: String) -> (Word, String) {
    for known in ["POST", "GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"] {
        if line.strip_prefix(known).is_some_and(|path| path.starts_with(' ')) {
            line.drain(..=known.len());
            return (Word::Borrowed(known), line);
        }
    }
    let (method, path) = line.split_once(' ').unwrap_or_default();
    (Word::Owned(method.to_owned()), path.to_owned())
}
