//! What is counted, and how it is named for Prometheus.
//!
//! Where OpenTelemetry's conventions for generative AI have a metric, it is theirs, in the form that Prometheus gives to such
//! names (dots become underscores, the unit of seconds a suffix); so dashboards made for them fit. The gateway is a server to
//! its clients (`gen_ai.server.*`), and a client of the providers where tokens are paid for (`gen_ai.client.token.usage`).
//! Those conventions count durations and tokens in histograms and know neither accounts nor queues nor cached tokens: what
//! they have no name for begins with `levity_`.
//! <https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-metrics/>
//!
//! A request looks its series up once, by all of its labels together, and adds to atomics. A model gets a label of its own
//! when it has been answered for the first time, at most two hundred do; whatever else clients ask for is `other`.

pub mod names;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

use self::names::{Operation, Seen, error, operation_name, provider_name};
use crate::dialects::Dialect;

/// Models that have a label of their own at most.
const MODELS: usize = 200;
/// Sets of labels that are remembered at most; beyond them a request costs a little more.
const SERIES: usize = 4096;
/// The bounds that the conventions advise, in seconds.
const DURATIONS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST_TOKENS: [f64; 16] =
    [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// The same, in tokens.
const TOKENS: [f64; 14] = [
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

static OTHER: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from("other"));
static NONE: LazyLock<Arc<str>> = LazyLock::new(|| Arc::from(""));

/// The counters. A clone is another hand on the same ones.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    requests: IntCounterVec,
    errors: IntCounterVec,
    tokens: IntCounterVec,
    durations: HistogramVec,
    first_tokens: HistogramVec,
    usage: HistogramVec,
    streams: IntGauge,
    /// What is read when somebody asks: one at a time.
    asked: Mutex<Asked>,
    series: ArcSwap<HashMap<Labels, Arc<Series>, ahash::RandomState>>,
    models: Mutex<HashSet<Arc<str>>>,
}

struct Asked {
    open: IntGauge,
    waiting: IntGauge,
    dropped: IntCounter,
    hedges: IntCounterVec,
    states: IntGaugeVec,
    in_flight: IntGaugeVec,
    attempts: IntCounterVec,
}

/// What is known of the moment in which somebody asks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Requests under way.
    pub open: usize,
    /// Those of them that wait in line for a busy account.
    pub waiting: usize,
    /// Requests that the request log has lost so far.
    pub dropped: u64,
    /// Second accounts, asked beside one whose answer was late: what became of them, and of how many.
    pub hedges: [(&'static str, u64); 3],
}

/// One account, as it stands.
#[derive(Clone, Debug)]
pub struct AccountState<'a> {
    /// Its label.
    pub name: &'a str,
    /// `ok`, `resting`, `limited`, `rejected` or `off`.
    pub state: &'static str,
    /// Requests under way.
    pub in_flight: u32,
    /// What its attempts came to, and how many did.
    pub attempts: [(&'static str, u64); 4],
}

/// All that a set of labels leads to.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Labels {
    dialect: Dialect,
    operation: Option<Operation>,
    provider: &'static str,
    model: Arc<str>,
    status: u16,
    error: &'static str,
}

struct Series {
    requests: IntCounter,
    error: Option<IntCounter>,
    generated: Option<Generated>,
}

/// What is measured of an operation on a model.
struct Generated {
    duration: Histogram,
    first_token: Histogram,
    input: Histogram,
    output: Histogram,
    tokens: [IntCounter; 4],
}

/// A stream under way: counted for as long as it lives.
pub struct OpenStream(IntGauge);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// The labels of the conventions' metrics.
const CONVENTION: [&str; 3] =
    ["gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model"];

impl Metrics {
    /// All at zero. The error is a name or label that Prometheus forbids.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let [operation, provider, model] = CONVENTION;
        let with_error = [operation, provider, model, "error_type"];
        let with_type = [operation, provider, model, "gen_ai_token_type"];
        let shared = Shared {
            requests: counters(
                &registry,
                ("levity_requests_total", "Requests that are over; status 0: the client got none."),
                &["dialect", "model", "status"],
            )?,
            errors: counters(
                &registry,
                ("levity_errors_total", "Requests that ended in an error, by what went wrong."),
                &["kind"],
            )?,
            tokens: counters(
                &registry,
                (
                    "levity_tokens_total",
                    "Tokens as providers count them: input includes cached, output includes reasoning.",
                ),
                &["model", "type"],
            )?,
            durations: histograms(
                &registry,
                ("gen_ai_server_request_duration_seconds", "Until a request was over."),
                (&with_error, &DURATIONS),
            )?,
            first_tokens: histograms(
                &registry,
                (
                    "gen_ai_server_time_to_first_token_seconds",
                    "Until a good answer began: for a stream its first event, else the whole of it.",
                ),
                (&CONVENTION, &FIRST_TOKENS),
            )?,
            usage: histograms(
                &registry,
                (
                    "gen_ai_client_token_usage",
                    "Tokens of one request, as the provider counted them.",
                ),
                (&with_type, &TOKENS),
            )?,
            streams: gauge(&registry, "levity_streams_open", "Streams under way.")?,
            asked: Mutex::new(Asked::new(&registry)?),
            series: ArcSwap::default(),
            models: Mutex::default(),
            registry,
        };
        #[cfg(target_os = "linux")]
        shared
            .registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Counts a request that is over.
    pub fn count(&self, seen: &Seen<'_>) {
        let error = error(seen);
        let (provider, model) = seen
            .asked
            .map_or(("levity", &*NONE), |(provider, model)| (provider_name(provider), model));
        let mut labels = Labels {
            dialect: seen.dialect,
            operation: seen.operation,
            provider,
            model: Arc::clone(model),
            status: seen.status.unwrap_or(0),
            error,
        };
        if let Some(series) = self.shared.series.load().get(&labels) {
            return series.count(seen);
        }
        labels.model = self.label(model, error.is_empty());
        self.series(&labels).count(seen);
    }

    /// Counts a stream as open until what it gives is dropped.
    pub fn open_stream(&self) -> OpenStream {
        self.shared.streams.inc();
        OpenStream(self.shared.streams.clone())
    }

    /// Everything in Prometheus' text form, with what is known of the moment.
    pub fn text<'a>(
        &self,
        moment: Moment,
        accounts: impl Iterator<Item = AccountState<'a>>,
    ) -> prometheus::Result<String> {
        let asked = self.shared.asked.lock();
        asked.open.set(i64::try_from(moment.open).unwrap_or(i64::MAX));
        asked.waiting.set(i64::try_from(moment.waiting).unwrap_or(i64::MAX));
        set(&asked.dropped, moment.dropped);
        for (outcome, count) in moment.hedges {
            set(&asked.hedges.with_label_values(&[outcome]), count);
        }
        asked.states.reset();
        asked.in_flight.reset();
        asked.attempts.reset();
        for account in accounts {
            let name = account.name;
            asked.states.with_label_values(&[name, account.state]).set(1);
            asked.in_flight.with_label_values(&[name]).set(account.in_flight.into());
            for (result, attempts) in account.attempts {
                asked.attempts.with_label_values(&[name, result]).inc_by(attempts);
            }
        }
        TextEncoder::new().encode_to_string(&self.shared.registry.gather())
    }

    /// The label that a model gets.
    fn label(&self, model: &Arc<str>, is_answered: bool) -> Arc<str> {
        if model.is_empty() {
            return Arc::clone(model);
        }
        let mut models = self.shared.models.lock();
        if models.contains(model) || is_answered && models.len() < MODELS {
            models.insert(Arc::clone(model));
            return Arc::clone(model);
        }
        Arc::clone(&OTHER)
    }

    fn series(&self, labels: &Labels) -> Arc<Series> {
        if let Some(series) = self.shared.series.load().get(labels) {
            return Arc::clone(series);
        }
        let series = Arc::new(Series::new(&self.shared, labels));
        self.shared.series.rcu(|known| {
            let mut next = HashMap::clone(known);
            if next.len() < SERIES {
                next.insert(labels.clone(), Arc::clone(&series));
            }
            next
        });
        series
    }
}

impl Asked {
    fn new(registry: &Registry) -> prometheus::Result<Self> {
        let states = IntGaugeVec::new(
            Opts::new(
                "levity_account_state",
                "1 for the state that an account is in: ok, resting, limited, rejected or off.",
            ),
            &["account", "state"],
        )?;
        let in_flight = IntGaugeVec::new(
            Opts::new("levity_account_in_flight", "Requests that an account is answering."),
            &["account"],
        )?;
        Ok(Self {
            open: gauge(registry, "levity_requests_open", "Requests under way.")?,
            waiting: gauge(
                registry,
                "levity_requests_waiting",
                "Requests in line for a busy account.",
            )?,
            dropped: kept(
                registry,
                IntCounter::new(
                    "levity_log_dropped_total",
                    "Requests that the request log has lost.",
                )?,
            )?,
            hedges: counters(
                registry,
                (
                    "levity_hedges_total",
                    "Second accounts asked beside one whose answer was late: won, lost or failed.",
                ),
                &["outcome"],
            )?,
            states: kept(registry, states)?,
            in_flight: kept(registry, in_flight)?,
            attempts: counters(
                registry,
                (
                    "levity_attempts_total",
                    "Attempts by what came of them: served, refused, limited or failed.",
                ),
                &["account", "result"],
            )?,
        })
    }
}

impl Series {
    fn new(shared: &Shared, labels: &Labels) -> Self {
        let Labels { model, provider, .. } = labels;
        let status = labels.status.to_string();
        let requests = [labels.dialect.name(), model, &status];
        let generated = labels.operation.map(|operation| {
            let operation = operation_name(labels.dialect, operation);
            let with = |last| [operation, *provider, &**model, last];
            let tokens = ["input", "cached", "output", "reasoning"];
            Generated {
                duration: shared.durations.with_label_values(&with(labels.error)),
                first_token: shared.first_tokens.with_label_values(&[operation, provider, model]),
                input: shared.usage.with_label_values(&with("input")),
                output: shared.usage.with_label_values(&with("output")),
                tokens: tokens.map(|kind| shared.tokens.with_label_values(&[&**model, kind])),
            }
        });
        Self {
            requests: shared.requests.with_label_values(&requests),
            error: (!labels.error.is_empty())
                .then(|| shared.errors.with_label_values(&[labels.error])),
            generated,
        }
    }

    fn count(&self, seen: &Seen<'_>) {
        self.requests.inc();
        if let Some(error) = &self.error {
            error.inc();
        }
        let Some(generated) = &self.generated else { return };
        generated.duration.observe(seen.total.as_secs_f64());
        if let (Some(first_byte), None) = (seen.first_byte, &self.error) {
            generated.first_token.observe(first_byte.as_secs_f64());
        }
        let Some(usage) = seen.usage else { return };
        let counts = [usage.input, usage.cache_read, usage.output, usage.reasoning];
        for (counter, count) in generated.tokens.iter().zip(counts) {
            counter.inc_by(count);
        }
        generated.input.observe(tokens(usage.input));
        generated.output.observe(tokens(usage.output));
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts 2^53 tokens in one request")]
const fn tokens(count: u64) -> f64 {
    count as f64
}

/// Gives a counter the value that is counted elsewhere.
fn set(counter: &IntCounter, value: u64) {
    counter.reset();
    counter.inc_by(value);
}

fn kept<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> prometheus::Result<C> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}

fn counters(
    registry: &Registry,
    (name, help): (&str, &str),
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    kept(registry, IntCounterVec::new(Opts::new(name, help), labels)?)
}

fn histograms(
    registry: &Registry,
    (name, help): (&str, &str),
    (labels, bounds): (&[&str], &[f64]),
) -> prometheus::Result<HistogramVec> {
    let options = HistogramOpts::new(name, help).buckets(bounds.to_vec());
    kept(registry, HistogramVec::new(options, labels)?)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    kept(registry, IntGauge::new(name, help)?)
}
