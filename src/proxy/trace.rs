//! One request as OpenTelemetry's spans: one for the request, and below it one for each attempt.
//!
//! Made when the request is over, from what its exchange holds. Names are those of the conventions for generative AI and
//! for HTTP, and begin with `levity.` where those have none. No body, no key and no query is in a span.
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/>
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;

use super::exchange::{Exchange, Trial};
use crate::clock;
use crate::config::Account;
use crate::ir::usage::Usage;
use crate::metrics::names::{self, Seen};

/// What a client names is as long as it likes; this much of it is kept, in bytes.
const LONGEST: usize = 256;

/// Tells a request that is over. `headers` are the client's.
pub fn tell(tracer: &SdkTracer, exchange: &Exchange, headers: &HeaderMap, seen: &Seen<'_>) {
    let above =
        TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers));
    let operation = names::operation_of(seen);
    let error = names::error(seen);
    let mut attributes = Attributes::default();
    attributes.http(exchange, seen);
    attributes.model(exchange, seen);
    attributes.own(exchange);
    attributes.maybe("error.type", (!error.is_empty()).then_some(error));
    let builder = SpanBuilder::from_name(name(exchange, operation))
        .with_kind(SpanKind::Server)
        .with_start_time(exchange.began.wall)
        .with_attributes(attributes.0);
    let mut span = tracer.build_with_context(builder, &above);
    span.set_status(status(seen, error));
    if span.is_recording() {
        let here = Context::new().with_remote_span_context(span.span_context().clone());
        for (trial, turn) in exchange.trail.iter().zip(1_i64..) {
            attempt(tracer, &here, exchange, (trial, turn, operation));
        }
    }
    span.end_with_timestamp(after(exchange.began.wall, seen.total));
}

/// `chat gpt-4o`, or the method where nothing of a model was asked.
fn name(exchange: &Exchange, operation: Option<&'static str>) -> String {
    match (operation, &exchange.call) {
        (Some(operation), Some(call)) => format!("{operation} {}", cut(&call.asked)),
        _ => method_and_path(exchange).0.to_owned(),
    }
}

fn method_and_path(exchange: &Exchange) -> (&str, &str) {
    exchange.path.split_once(' ').unwrap_or_default()
}

/// One attempt, below its request's span.
fn attempt(
    tracer: &SdkTracer,
    above: &Context,
    exchange: &Exchange,
    (trial, turn, operation): (&Trial, i64, Option<&'static str>),
) {
    let account = exchange.live.pool.account(trial.account).map(|account| &account.config);
    let mut attributes = Attributes::default();
    attributes.add("levity.account", exchange.name(trial).to_owned());
    attributes.add("levity.attempt", turn);
    attributes.add("levity.note", trial.note);
    attributes.maybe("levity.hedge", trial.hedged.then_some(true));
    attributes.maybe("http.response.status_code", trial.status.map(i64::from));
    attributes.maybe("gen_ai.operation.name", operation);
    if let Some(account) = account {
        attributes.account(account);
    }
    let is_last = exchange.trail.len() == usize::try_from(turn).unwrap_or_default();
    let used = exchange.used.as_deref().filter(|_| is_last);
    attributes.maybe("gen_ai.request.model", used.map(ToOwned::to_owned));
    let failed = trial.failed();
    let refused = trial.status.filter(|status| *status >= 400).map(|status| status.to_string());
    let error = refused.or_else(|| failed.then(|| trial.note.to_owned()));
    attributes.maybe("error.type", error);
    let name = operation.unwrap_or("ask");
    let began =
        after(exchange.began.wall, trial.since.saturating_duration_since(exchange.began.monotonic));
    let builder = SpanBuilder::from_name(format!("{name} {}", exchange.name(trial)))
        .with_kind(SpanKind::Client)
        .with_start_time(began)
        .with_attributes(attributes.0);
    let mut span = tracer.build_with_context(builder, above);
    if failed {
        span.set_status(Status::error(trial.note));
    }
    span.end_with_timestamp(after(began, trial.took));
}

/// Whether it went wrong, and how it ended. By the conventions a status of 4xx is no error of a server's: it stands in
/// `error.type`, and the attempts that led to it are errors.
fn status(seen: &Seen<'_>, error: &'static str) -> Status {
    let is_clients = seen.status.is_some_and(|status| (400..500).contains(&status));
    if error.is_empty() || is_clients {
        return Status::Unset;
    }
    Status::error(seen.outcome.unwrap_or(error))
}

/// What is known of a span. What is not known is left out.
#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn add(&mut self, name: &'static str, value: impl Into<Value>) {
        self.0.push(KeyValue::new(name, value));
    }

    fn maybe(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    fn http(&mut self, exchange: &Exchange, seen: &Seen<'_>) {
        let (method, path) = method_and_path(exchange);
        self.add("http.request.method", method.to_owned());
        self.add("url.path", cut(path));
        self.add("url.scheme", "http");
        self.maybe("client.address", exchange.client.map(|client| client.ip().to_string()));
        self.maybe("client.port", exchange.client.map(|client| i64::from(client.port())));
        self.maybe("http.response.status_code", seen.status.map(i64::from));
    }

    fn model(&mut self, exchange: &Exchange, seen: &Seen<'_>) {
        self.maybe("gen_ai.operation.name", names::operation_of(seen));
        self.maybe("gen_ai.provider.name", names::provider_of(seen));
        self.maybe("gen_ai.request.model", exchange.call.as_ref().map(|call| cut(&call.asked)));
        // The answer's own word for it is not kept: it is the model that the account was asked for.
        let is_good = exchange.status.is_some_and(|status| status.is_success());
        let answered = exchange.used.as_deref().filter(|_| is_good);
        self.maybe("gen_ai.response.model", answered.map(ToOwned::to_owned));
        self.usage(exchange.usage);
    }

    fn own(&mut self, exchange: &Exchange) {
        let account = exchange.trail.last().map(|trial| exchange.name(trial).to_owned());
        self.add("levity.request.id", exchange.id.clone());
        self.add("levity.dialect", exchange.dialect.name());
        self.maybe("levity.account", account);
        self.add("levity.attempts", number(exchange.trail.len()));
        self.add("levity.stream", exchange.call.as_ref().is_some_and(|call| call.stream));
        self.maybe("levity.time_to_first_byte_ms", exchange.first_byte.map(milliseconds));
        self.add("levity.waited_ms", milliseconds(exchange.waited));
        self.maybe("levity.outcome", exchange.outcome);
    }

    fn usage(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        self.add("gen_ai.usage.input_tokens", number(usage.input));
        self.add("gen_ai.usage.output_tokens", number(usage.output));
        for (name, tokens) in [
            ("gen_ai.usage.cache_read.input_tokens", usage.cache_read),
            ("gen_ai.usage.cache_creation.input_tokens", usage.cache_write),
            ("gen_ai.usage.reasoning.output_tokens", usage.reasoning),
        ] {
            self.maybe(name, (tokens > 0).then(|| number(tokens)));
        }
    }

    fn account(&mut self, account: &Account) {
        self.add("gen_ai.provider.name", names::provider_name(account.provider));
        self.maybe("server.address", account.base_url.host_str().map(ToOwned::to_owned));
        self.maybe("server.port", account.base_url.port_or_known_default().map(i64::from));
    }
}

/// The client's headers, as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

fn cut(text: &str) -> String {
    text.get(..text.floor_char_boundary(LONGEST)).unwrap_or_default().to_owned()
}

fn after(start: SystemTime, delay: Duration) -> SystemTime {
    start.checked_add(delay).unwrap_or(start)
}

fn milliseconds(duration: Duration) -> i64 {
    number(clock::milliseconds(duration))
}

fn number<N: TryInto<i64>>(count: N) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}
