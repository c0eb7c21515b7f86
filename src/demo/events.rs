//! Server-sent events, as text.

use serde_json::Value;

/// An event without a name.
pub(super) fn data(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// An event whose name is its `type`.
pub(super) fn named(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default())
}
