//! Which field of a request that cannot be read is at fault: a second, slow look, for the error message alone.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::dialects::anthropic::wire::read;
use crate::ir::error::{Error, ErrorKind};

type Fields<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The error that names the field at fault.
pub(super) fn of(body: &[u8], error: &serde_json::Error) -> Error {
    let Ok(text) = std::str::from_utf8(body) else {
        return Error::new(ErrorKind::InvalidRequest, "the body is not UTF-8");
    };
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Error::new(ErrorKind::InvalidRequest, format!("the body is no JSON: {error}"));
    }
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(text) else {
        return Error::new(ErrorKind::InvalidRequest, "the body must be a JSON object");
    };
    let (field, reason) = fields
        .iter()
        .find_map(|(name, value)| wrong(name, value))
        .unwrap_or_else(|| (String::new(), error.to_string()));
    // The place in the body means nothing to whoever built it with an SDK.
    let reason = reason.split(" at line ").next().unwrap_or_default();
    Error::invalid(field, reason)
}

/// What is wrong with a field of the request, if anything is.
fn wrong(name: &str, value: &RawValue) -> Option<(String, String)> {
    let json = value.get();
    let error = match name {
        "model" | "service_tier" | "inference_geo" => failure::<Option<read::Str<'_>>>(json),
        "max_tokens" | "top_k" => failure::<Option<u64>>(json),
        "temperature" | "top_p" => failure::<Option<f64>>(json),
        "stream" => failure::<Option<bool>>(json),
        "stop_sequences" => failure::<Option<Vec<read::Str<'_>>>>(json),
        "thinking" => failure::<Option<read::Thinking<'_>>>(json),
        "tool_choice" => failure::<Option<read::ToolChoice<'_>>>(json),
        "output_config" => failure::<Option<read::OutputConfig<'_>>>(json),
        "output_format" => failure::<Option<read::OutputFormat<'_>>>(json),
        "metadata" => failure::<Option<read::Metadata<'_>>>(json),
        "mcp_servers" => failure::<Option<Vec<IgnoredAny>>>(json),
        "system" => return in_content(name, json),
        "messages" => {
            return in_list::<read::Message<'_>>(name, json, |place, message| {
                let fields = serde_json::from_str::<Fields<'_>>(message).ok()?;
                in_content(&format!("{place}.content"), fields.get("content")?.get())
            });
        }
        "tools" => return in_list::<read::Tool<'_>>(name, json, |_, _| None),
        _ => None,
    };
    error.map(|error| (name.to_owned(), error))
}

/// Looks into the blocks of a content.
fn in_content(place: &str, json: &str) -> Option<(String, String)> {
    let error = failure::<Option<read::Content<'_>>>(json)?;
    if !json.starts_with('[') {
        return Some((place.to_owned(), error));
    }
    in_list::<read::Block<'_>>(place, json, |place, block| {
        let fields = serde_json::from_str::<Fields<'_>>(block).ok()?;
        in_content(&format!("{place}.content"), fields.get("content")?.get())
    })
}

/// Looks into the elements of a list; `deeper` may find a place inside the one at fault.
fn in_list<'a, T: Deserialize<'a>>(
    place: &str,
    json: &'a str,
    deeper: impl Fn(&str, &str) -> Option<(String, String)>,
) -> Option<(String, String)> {
    let Ok(list) = serde_json::from_str::<Option<Vec<&RawValue>>>(json) else {
        return Some((place.to_owned(), "expected an array".to_owned()));
    };
    list.unwrap_or_default().into_iter().enumerate().find_map(|(index, element)| {
        let error = failure::<T>(element.get())?;
        let place = format!("{place}.{index}");
        deeper(&place, element.get()).or(Some((place, error)))
    })
}

fn failure<'a, T: Deserialize<'a>>(json: &'a str) -> Option<String> {
    serde_json::from_str::<T>(json).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use crate::dialects::Path;
    use crate::dialects::anthropic::request::parse;

    #[test]
    fn fields() {
        let cases = [
            (r#"{"model":"#, None),
            ("[1]", None),
            ("17", None),
            (r#"{"model":7,"max_tokens":1,"messages":[]}"#, Some("model")),
            (r#"{"model":"m","max_tokens":"1","messages":[]}"#, Some("max_tokens")),
            (r#"{"model":"m","max_tokens":1,"messages":17}"#, Some("messages")),
            (r#"{"model":"m","max_tokens":1,"messages":[7]}"#, Some("messages.0")),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":7}]}"#,
                Some("messages.0.content"),
            ),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":7}]}]}"#,
                Some("messages.0.content.1"),
            ),
            (
                r#"{"model":"m","max_tokens":1,"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":7}]}]}]}"#,
                Some("messages.0.content.0.content.0"),
            ),
            (r#"{"model":"m","max_tokens":1,"tools":[{"name":7}],"messages":[]}"#, Some("tools.0")),
            (r#"{"model":"m","max_tokens":1,"system":[7],"messages":[]}"#, Some("system.0")),
            (r#"{"model":"m","max_tokens":1,"thinking":"on","messages":[]}"#, Some("thinking")),
        ];
        for (body, field) in cases {
            let error = parse(body.as_bytes(), Path::default()).unwrap_err();
            assert_eq!(error.status, 400);
            assert_eq!(error.param.as_deref(), field, "{body}: {}", error.message);
            assert!(field.is_none() || !error.message.contains("line"), "{}", error.message);
        }
        assert!(parse(b"\xff", Path::default()).is_err());
    }
}
