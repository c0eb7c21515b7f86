//! Where traces go: a collector of OpenTelemetry's, by way of a bounded queue and a thread of its own.
//!
//! Nothing of it exists while no collector is configured. Whoever has a trace to tell never waits: with the queue full,
//! spans are lost.

mod export;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use opentelemetry::InstrumentationScope;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracer, SdkTracerProvider};

use self::export::Exporter;
use crate::config::Config;
use crate::config::telemetry::Telemetry;

/// How long the last spans may take at the end of the process.
const LAST_SPANS: Duration = Duration::from_secs(1);
/// How long they may take where another collector takes the place of theirs: nobody waits for it.
const OLD_SPANS: Duration = Duration::from_secs(30);

/// The way to the collector. A clone is another hand on the same one.
#[derive(Clone, Default)]
pub struct Traces {
    way: Arc<ArcSwapOption<Way>>,
}

/// One collector at work.
struct Way {
    telemetry: Telemetry,
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl Traces {
    /// Sends to the collector that the configuration names from now on, or to none. `certificates` is the file of
    /// authorities to trust.
    pub fn configure(&self, config: &Config, certificates: Option<&str>) {
        let current = self.way.load_full();
        let same = current.as_ref().map(|way| &way.telemetry) == config.telemetry.as_ref();
        if same {
            return;
        }
        let connect = config.proxy.timeouts.connect;
        let opened = config.telemetry.as_ref().and_then(|telemetry| {
            let exporter = Exporter::new(telemetry, connect, certificates).inspect_err(|error| {
                log::warn!("no traces are sent: cannot start a runtime for them: {error}");
            });
            Some(Arc::new(Way::new(telemetry.clone(), exporter.ok()?)))
        });
        self.way.store(opened);
        if let Some(old) = current {
            let farewell = move || drop(old.provider.shutdown_with_timeout(OLD_SPANS));
            if let Err(error) = thread::Builder::new().spawn(farewell) {
                log::warn!("the last traces for the old collector are lost: {error}");
            }
        }
    }

    /// What makes spans, where they are wanted.
    pub fn tracer(&self) -> Option<SdkTracer> {
        self.way.load().as_ref().map(|way| way.tracer.clone())
    }

    /// Sends what is left, and waits a second for it at most.
    pub fn close(&self) {
        let Some(way) = self.way.swap(None) else { return };
        if let Err(error) = way.provider.shutdown_with_timeout(LAST_SPANS) {
            log::debug!("the last traces were not sent: {error}");
        }
    }
}

impl Way {
    fn new(telemetry: Telemetry, exporter: Exporter) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let resource = Resource::builder()
            .with_service_name(telemetry.service_name.clone())
            .with_attribute(KeyValue::new("service.version", version))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).build())
            .with_resource(resource)
            .build();
        let scope = InstrumentationScope::builder("levity").with_version(version).build();
        let tracer = provider.tracer_with_scope(scope);
        Self { telemetry, provider, tracer }
    }
}
