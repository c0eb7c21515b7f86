//! Which field of a body is at fault? Asked only when a body could not be read, so it takes its time.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialects::openai_responses::wire::item::{Item, Part};
use crate::dialects::openai_responses::wire::request::{Choice, Reasoning, Text, Tool};
use crate::dialects::openai_responses::wire::text::{Str, TextOr, WordOr};
use crate::ir::error::Error;

/// The error for a body that could not be read.
pub(super) fn fault(body: &[u8], error: &serde_json::Error) -> Error {
    let Ok(fields) = serde_json::from_slice::<BTreeMap<String, &RawValue>>(body) else {
        return Error::new(
            crate::ir::error::ErrorKind::InvalidRequest,
            format!("the body is not a JSON object: {error}"),
        );
    };
    fields.iter().find_map(|(name, value)| wrong(name, value)).unwrap_or_else(|| at("body", error))
}

/// The error for one field.
pub(super) fn at(field: &str, error: &serde_json::Error) -> Error {
    let words = error.to_string();
    // The place that serde names is counted within the field, so it would mislead.
    let what = words.split(" at line ").next().unwrap_or(&words);
    Error::invalid(field, format!("{field}: {what}"))
}

/// The path of an element. Each item that is read has one, and `format!` takes longer than reading it.
pub(super) fn element(path: &str, index: usize) -> String {
    [path, ".", itoa::Buffer::new().format(index)].concat()
}

/// Looks into one field of the body.
fn wrong(name: &str, value: &RawValue) -> Option<Error> {
    match name {
        "input" => list::<Item<'_>>(name, value, |path, item| {
            list::<Part<'_>>(&format!("{path}.content"), member(item, "content")?, |_, _| None)
        }),
        "tools" => list::<Tool<'_>>(name, value, |_, _| None),
        "include" => of::<Vec<Str<'_>>>(name, value),
        "stop" => of::<TextOr<'_, Str<'_>>>(name, value),
        "tool_choice" => of::<WordOr<'_, Choice<'_>>>(name, value),
        "reasoning" => of::<Reasoning<'_>>(name, value),
        "text" => of::<Text<'_>>(name, value),
        "model"
        | "instructions"
        | "previous_response_id"
        | "truncation"
        | "service_tier"
        | "safety_identifier"
        | "user"
        | "prompt_cache_key" => of::<Str<'_>>(name, value),
        "stream" | "store" | "background" | "parallel_tool_calls" => of::<bool>(name, value),
        "max_output_tokens" | "max_tool_calls" | "top_k" => of::<u64>(name, value),
        "top_logprobs" => of::<u32>(name, value),
        "seed" => of::<i64>(name, value),
        "temperature" | "top_p" | "presence_penalty" | "frequency_penalty" => {
            of::<f64>(name, value)
        }
        _ => None,
    }
}

fn of<'a, T: Deserialize<'a>>(name: &str, value: &'a RawValue) -> Option<Error> {
    serde_json::from_str::<Option<T>>(value.get()).err().map(|error| at(name, &error))
}

/// Looks for the element at fault, and with `inside` for what is wrong within it.
fn list<'a, T: Deserialize<'a>>(
    name: &str,
    value: &'a RawValue,
    inside: impl Fn(&str, &'a RawValue) -> Option<Error>,
) -> Option<Error> {
    let elements = match serde_json::from_str::<Option<TextOr<'a, &'a RawValue>>>(value.get()) {
        Ok(Some(TextOr::List(elements))) => elements,
        Ok(_) => return None,
        Err(error) => return Some(at(name, &error)),
    };
    elements.into_iter().enumerate().find_map(|(index, element)| {
        let path = format!("{name}.{index}");
        let error = serde_json::from_str::<T>(element.get()).err()?;
        Some(inside(&path, element).unwrap_or_else(|| at(&path, &error)))
    })
}

fn member<'a>(object: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    serde_json::from_str::<BTreeMap<String, &'a RawValue>>(object.get()).ok()?.get(name).copied()
}
