//! `telemetry:` where OpenTelemetry's traces go, from the file or from its own variables.
//!
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

use super::account;
use super::forms::{Wrong, base_url, text};
use super::outbound::{Outbound, WayOut};
use super::reader::{Key, Reader, Section};
use super::yaml::{Scalar, Style};

/// The collector of traces alone, whose path is used as it is.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
/// The collector of everything, below which traces have a path of their own.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
const HEADERS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"];

/// Where traces have their path below a collector's URL.
const TRACES: &str = "/v1/traces";

/// `telemetry:` where traces are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// Where spans are posted, `/v1/traces` included.
    pub url: Url,
    /// Headers of each post; a value may be a key, so it is marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `service.name` of every span.
    pub service_name: String,
    /// How posts leave this machine.
    pub way_out: WayOut,
}

/// What is written for `otlp`.
enum Written {
    /// Nothing that counts.
    Auto,
    Off,
    Collector(Url),
}

/// Reads `telemetry:`; `None` when no traces are sent.
pub(super) fn read(
    reader: &mut Reader<'_>,
    root: &mut Section,
    outbound: &Arc<Outbound>,
) -> Option<Telemetry> {
    let mut section = reader.section(root, "telemetry");
    let otlp = reader.value(&mut section, "otlp", written).unwrap_or(Written::Auto);
    let headers = account::headers(reader, &mut section, &Key::Absent);
    let service_name = reader.value(&mut section, "service_name", text);
    reader.finish(section);
    let disabled = reader.variable(&["OTEL_SDK_DISABLED"]);
    if disabled.is_some_and(|(_, value)| value.trim().eq_ignore_ascii_case("true")) {
        return None;
    }
    let url = match otlp {
        Written::Off => None,
        Written::Collector(url) => Some(url),
        Written::Auto => variable(reader),
    };
    let named = || reader.variable(&["OTEL_SERVICE_NAME"]).map(|(_, name)| name.to_owned());
    let service_name = service_name.or_else(named).unwrap_or_else(|| "levity".to_owned());
    let url = url?;
    let headers = if headers.is_empty() { variable_headers(reader) } else { headers };
    let way_out = WayOut::Usual(Arc::clone(outbound));
    Some(Telemetry { url, headers, service_name, way_out })
}

fn written(scalar: &Scalar) -> Result<Written, Wrong> {
    match (scalar.text.trim(), scalar.style) {
        ("", Style::Given) | ("auto", _) => Ok(Written::Auto),
        ("off", _) | ("false", Style::Plain) => Ok(Written::Off),
        _ => base_url(scalar).map(|url| Written::Collector(below(url))).map_err(|_| {
            Wrong::expected(
                "auto, off, or a collector's http:// or https:// URL without user, password, query or fragment",
            )
        }),
    }
}

/// The collector that the variables name. They are meant for other programs as well, so what cannot be used is no error.
fn variable(reader: &mut Reader<'_>) -> Option<Url> {
    let (name, value) = reader.variable(&[TRACES_ENDPOINT, ENDPOINT])?;
    if let Some((protocol, spoken)) = reader.variable(&PROTOCOL)
        && spoken != "http/protobuf"
    {
        reader.warnings.push(format!(
            "no traces are sent: {protocol} is not http/protobuf, which is all that is spoken; \
             set telemetry.otlp to the collector's HTTP port"
        ));
        return None;
    }
    let given = Scalar { text: value.to_owned(), style: Style::Given };
    let Ok(url) = base_url(&given) else {
        reader.warnings.push(format!(
            "no traces are sent: {name} is not an http:// or https:// URL without user, \
             password, query or fragment"
        ));
        return None;
    };
    Some(if name == ENDPOINT { below(url) } else { url })
}

/// Where a collector takes traces.
fn below(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(TRACES) {
        let path = format!("{path}{TRACES}");
        url.set_path(&path);
    }
    url
}

/// The headers that a variable names: `name=value,name=value`, with `%` escapes in the values.
fn variable_headers(reader: &mut Reader<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let Some((name, list)) = reader.variable(&HEADERS) else { return Vec::new() };
    let pairs = list.split(',').filter(|pair| !pair.trim().is_empty());
    let headers: Option<Vec<_>> = pairs.map(header).collect();
    headers.unwrap_or_else(|| {
        reader.warnings.push(format!(
            "traces are sent without headers: {name} is not of the form name=value,name=value"
        ));
        Vec::new()
    })
}

fn header(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::Config;
    use crate::config::environment::Environment;
    use crate::config::load::Options;

    fn load(otlp: &str, variables: &[(&str, &str)]) -> Config {
        let text = format!("telemetry: {{ {otlp} }}");
        let environment = variables.iter().copied().collect::<Environment>();
        Config::parse(&text, Path::new("f"), &Options::default(), &environment).unwrap()
    }

    fn url(otlp: &str, variables: &[(&str, &str)]) -> Option<String> {
        load(otlp, variables).telemetry.map(|telemetry| telemetry.url.to_string())
    }

    #[test]
    fn the_file_wins_over_the_variables() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318/");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://b:4318/x");
        let disabled = ("OTEL_SDK_DISABLED", "true");
        for (written, variables, expected) in [
            ("", &[][..], None),
            ("otlp: auto", &[], None),
            ("otlp: \"http://c:4318\"", &[], Some("http://c:4318/v1/traces")),
            ("otlp: \"http://c/otel/\"", &[], Some("http://c/otel/v1/traces")),
            ("otlp: \"http://c/v1/traces\"", &[], Some("http://c/v1/traces")),
            ("", &[all], Some("http://a:4318/v1/traces")),
            ("otlp: auto", &[all, traces], Some("http://b:4318/x")),
            ("otlp: off", &[all, traces], None),
            ("otlp: \"http://c:4318\"", &[all], Some("http://c:4318/v1/traces")),
            ("otlp: \"http://c:4318\"", &[all, disabled], None),
        ] {
            assert_eq!(url(written, variables).as_deref(), expected, "{written} {variables:?}");
        }
    }

    #[test]
    fn variables_that_cannot_be_used_are_told_and_no_error() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4317");
        for (variables, named) in [
            (&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")][..], "OTLP_PROTOCOL is not"),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "a:4318")], "OTLP_ENDPOINT is not"),
        ] {
            let config = load("", variables);
            assert_eq!(config.telemetry, None);
            assert!(config.warnings[0].contains(named), "{:?}", config.warnings);
        }
        let config = load("", &[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "a secret")]);
        assert!(config.telemetry.unwrap().headers.is_empty());
        assert!(!config.warnings[0].contains("secret"), "{:?}", config.warnings);
    }

    #[test]
    fn headers_are_secrets() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20hidden, x-team = blue,"),
            ("OTEL_SERVICE_NAME", "mine"),
        ];
        let telemetry = load("", &variables).telemetry.unwrap();
        assert_eq!(telemetry.service_name, "mine");
        assert_eq!(telemetry.headers[0].1, "Basic hidden");
        assert_eq!(telemetry.headers[1].0, "x-team");
        assert!(!format!("{telemetry:?}").contains("hidden"), "{telemetry:?}");
        let own = load("headers: { x-own: 1 }, service_name: other", &variables).telemetry.unwrap();
        assert_eq!((own.headers.len(), own.service_name.as_str()), (1, "other"));
    }
}
