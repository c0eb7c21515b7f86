//! The heads of answers: what of them belongs to one connection alone, and how those for clients are made.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use pingora::http::ResponseHeader;

/// Headers that belong to one connection, or that are made anew. <https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1>
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// The provider's own id of the exchange, and the name under which it is passed on.
pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The same in Anthropic's words.
pub static ANTHROPICS_ID: HeaderName = HeaderName::from_static("request-id");
/// What tells nginx in front of a gateway not to gather a stream.
static BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
static UPSTREAM_ID: HeaderName = HeaderName::from_static("x-upstream-request-id");

/// The media type of everything else.
pub const JSON: &str = "application/json";
/// The media type of a stream of events.
pub const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

/// A head with a status and a type.
pub fn fresh_head(status: StatusCode, content_type: &'static str) -> ResponseHeader {
    let mut head =
        ResponseHeader::build_no_case(status, Some(8)).unwrap_or_else(|_| unreachable_head());
    let _ = head.insert_header(header::CONTENT_TYPE, content_type);
    head
}

/// A head with a status and nothing else.
pub fn bare_head(status: StatusCode) -> ResponseHeader {
    ResponseHeader::build_no_case(status, Some(0)).unwrap_or_else(|_| unreachable_head())
}

/// `build` fails for statuses that `StatusCode` cannot hold.
fn unreachable_head() -> ResponseHeader {
    ResponseHeader::from(http::Response::new(()).into_parts().0)
}

/// The account's head for a client of the same dialect; `length` of the body, where it is whole. How its names were
/// written is forgotten, as in a request's head.
pub fn forwarded(head: ResponseHeader, length: Option<usize>, is_stream: bool) -> ResponseHeader {
    let mut parts = http::response::Parts::from(head);
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    leave_connection(headers);
    if let Some(upstream_id) = headers.remove(&REQUEST_ID) {
        headers.insert(&UPSTREAM_ID, upstream_id);
    }
    match length {
        Some(length) if declares(headers, length) => {}
        Some(length) => {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        None if headers.contains_key(header::CONTENT_LENGTH) && !is_stream => {}
        None => {
            headers.remove(header::CONTENT_LENGTH);
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            headers.entry(&BUFFERING).or_insert(HeaderValue::from_static("no"));
        }
    }
    ResponseHeader::from(parts)
}

/// A head for an answer that is written anew; `length` of the body, where it is whole.
pub fn anew(
    status: StatusCode,
    content_type: &'static str,
    length: Option<usize>,
) -> ResponseHeader {
    let mut head = fresh_head(status, content_type);
    if let Some(length) = length {
        let _ = head.insert_header(header::CONTENT_LENGTH, length);
    } else {
        let _ = head.insert_header(header::CACHE_CONTROL, "no-cache");
        let _ = head.insert_header(&BUFFERING, "no");
        let _ = head.insert_header(header::TRANSFER_ENCODING, "chunked");
    }
    head
}

/// Whether an answer is a stream of events.
pub fn is_event_stream(head: &ResponseHeader) -> bool {
    head.headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        value.as_bytes().to_ascii_lowercase().starts_with(b"text/event-stream")
    })
}

/// Which of these headers there are: one pass over a few headers costs less than a search for each name.
pub fn named(headers: &HeaderMap, names: &[HeaderName]) -> Vec<HeaderName> {
    headers.keys().filter(|name| names.contains(name)).cloned().collect()
}

/// Whether the headers say this length of the body, once.
pub fn declares(headers: &HeaderMap, length: usize) -> bool {
    let mut said = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = said.next().and_then(|value| value.to_str().ok()?.parse().ok());
    first == Some(length) && said.next().is_none()
}

/// Removes what belongs to one connection alone.
pub fn leave_connection(headers: &mut HeaderMap) {
    for name in connection_named(headers) {
        headers.remove(name);
    }
    for name in named(headers, &HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// The headers that `Connection` names.
fn connection_named(headers: &HeaderMap) -> Vec<HeaderName> {
    let values = headers.get_all(header::CONNECTION).iter();
    let tokens = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    tokens.filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok()).collect()
}
