//! Posts spans to a collector: OTLP in protobuf, over the gateway's own way out.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Request, header};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::runtime::Runtime;

use crate::config::telemetry::Telemetry;
use crate::proxy::destination::{Destination, Ways};
use crate::proxy::fetch::Fetch;

/// How long a collector may take for one post: what the specification advises.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who posts.
const NAME: &str = concat!("levity/", env!("CARGO_PKG_VERSION"));
/// How often a collector that takes nothing is worth a line in the log.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// The collector. The SDK asks it on a thread that is there for nothing else, so it may block.
pub(super) struct Exporter {
    uri: String,
    headers: HeaderMap,
    destination: Destination,
    fetch: Fetch,
    runtime: Runtime,
    resource: ResourceAttributesWithSchema,
    lost: Mutex<Lost>,
}

/// What did not arrive.
#[derive(Default)]
struct Lost {
    spans: usize,
    warned: Option<Instant>,
}

impl Exporter {
    /// A way to the collector; nothing is sent yet. The error is the system's, which has no descriptors left.
    pub(super) fn new(
        telemetry: &Telemetry,
        connect: Duration,
        certificates: Option<&str>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ways = Ways { out: &telemetry.way_out, connect, certificates };
        let mut headers: HeaderMap = telemetry.headers.iter().cloned().collect();
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        headers.insert(header::CONTENT_TYPE, protobuf);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(NAME));
        Ok(Self {
            uri: telemetry.url.path().to_owned(),
            headers,
            destination: Destination::new(&telemetry.url, ways, 0),
            fetch: Fetch::new(certificates.map(ToOwned::to_owned)),
            runtime,
            resource: ResourceAttributesWithSchema::default(),
            lost: Mutex::default(),
        })
    }

    /// The error says why the spans did not arrive. They are not sent again: while a collector is away, the newest are
    /// worth more than the oldest.
    fn send(&self, spans: Vec<SpanData>) -> Result<(), String> {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let mut request = Request::post(&self.uri)
            .body(body.into())
            .map_err(|error| format!("the collector's URL cannot be asked: {error}"))?;
        request.headers_mut().clone_from(&self.headers);
        let sent = self.fetch.send(&self.destination, request, PATIENCE);
        let answered = self.runtime.block_on(sent)?;
        if !answered.status.is_success() {
            let authority = self.destination.authority();
            return Err(format!("{authority} answered {}", answered.status.as_u16()));
        }
        Ok(())
    }

    fn warn(&self, why: &str, spans: usize) {
        let mut lost = self.lost.lock();
        lost.spans += spans;
        if lost.warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY) {
            return;
        }
        lost.warned = Some(Instant::now());
        log::warn!("traces do not arrive, {} spans are lost so far: {why}", lost.spans);
    }
}

impl SpanExporter for Exporter {
    fn export(&self, spans: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        let number = spans.len();
        let sent = self.send(spans).map_err(|why| {
            self.warn(&why, number);
            OTelSdkError::InternalFailure(why)
        });
        std::future::ready(sent)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The headers may hold a key.
        write!(f, "Exporter({})", self.destination.authority())
    }
}
