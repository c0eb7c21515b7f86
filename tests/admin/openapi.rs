//! The description of the admin API against the paths that there are and the answers that they give.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use levity::dialects::Dialect;
use serde_json::{Value, json};

use crate::harness::{self, Console};
use crate::support::client::{get, post};
use crate::support::gateway::{Account, Config};
use crate::support::samples::{self, MODEL};
use crate::support::script::Answer;
use crate::support::upstream::Upstream;

const METHODS: [&str; 5] = ["get", "post", "patch", "put", "delete"];

fn described() -> Value {
    serde_json::from_str(levity::admin::openapi::DESCRIPTION).unwrap()
}

/// Method and path of each `.route("/path", get(…).post(…))` in the source.
fn routed() -> BTreeSet<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    let mut found = BTreeSet::new();
    for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|end| end != "rs") {
            continue;
        }
        let text = fs::read_to_string(file).unwrap();
        for route in text.split(".route(").skip(1) {
            let path = route.split('"').nth(1).unwrap();
            let methods = route.split_once(',').unwrap().1;
            // To the end of the call: what follows is another one, or the end of the function.
            let methods = methods.split("\n    }").next().unwrap().split(".merge(").next().unwrap();
            let methods = methods.split("\n}").next().unwrap();
            for method in METHODS {
                let called = |at: usize| {
                    let before = methods[..at].trim_end();
                    before.is_empty() || before.ends_with(['.', ',', ':'])
                };
                if methods.match_indices(&format!("{method}(")).any(|(at, _)| called(at)) {
                    found.insert((method.to_owned(), path.to_owned()));
                }
            }
        }
    }
    found
}

#[test]
fn every_path_is_described_and_every_description_has_its_path() {
    let described = described();
    let described: BTreeSet<(String, String)> = described["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().keys();
            methods.map(|method| (method.clone(), path.clone()))
        })
        .collect();
    // The page and its files are no API.
    let page = |path: &str| path == "/" || path.starts_with("/assets");
    let routed: BTreeSet<_> = routed().into_iter().filter(|(_, path)| !page(path)).collect();
    let undescribed: Vec<_> = routed.difference(&described).collect();
    assert!(undescribed.is_empty(), "not in src/admin/openapi.json: {undescribed:?}");
    assert!(routed.len() > 15, "{routed:?}");
    // The monitor's paths come with its files.
    let there = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/admin/{name}.rs")).exists()
    };
    let comes = |path: &str| {
        (["/api/log", "/api/events"].iter().any(|log| path.starts_with(log)) && !there("log"))
            || (path == "/api/usage" && !there("usage"))
            || (path == "/metrics" && !there("metrics"))
    };
    let gone: Vec<_> = described.difference(&routed).filter(|(_, path)| !comes(path)).collect();
    assert!(gone.is_empty(), "described, and not there: {gone:?}");
}

#[test]
fn every_reference_leads_somewhere() {
    let described = described();
    let mut open = vec![&described];
    let mut ids = BTreeSet::new();
    while let Some(value) = open.pop() {
        if let Some(to) = value.get("$ref").and_then(Value::as_str) {
            assert!(described.pointer(to.strip_prefix('#').unwrap()).is_some(), "{to}");
        }
        if let Some(id) = value.get("operationId") {
            assert!(ids.insert(id.to_string()), "twice: {id}");
        }
        match value {
            Value::Object(entries) => open.extend(entries.values()),
            Value::Array(items) => open.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(ids.len() > 20);
}

/// What is wrong with a value by its schema: as much of JSON Schema as the description uses.
fn wrong(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
        return wrong(root, root.pointer(&to[1..]).unwrap(), value, at);
    }
    if let Some(Value::Array(all)) = schema.get("allOf") {
        return all.iter().find_map(|schema| wrong(root, schema, value, at));
    }
    let named = schema.get("type");
    let named = named
        .map(|named| named.as_array().map_or_else(|| std::slice::from_ref(named), Vec::as_slice));
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if named.is_some_and(|named| !named.iter().any(|name| name == is)) {
        return Some(format!("{at} is {is}: {value}"));
    }
    if let Some(Value::Array(names)) = schema.get("enum")
        && !value.is_null()
        && !names.contains(value)
    {
        return Some(format!("{at} is {value}"));
    }
    match value {
        Value::Array(items) => {
            let each = schema.get("items")?;
            items.iter().find_map(|item| wrong(root, each, item, &format!("{at}[]")))
        }
        Value::Object(entries) => wrong_object(root, schema, entries, at),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn wrong_object(
    root: &Value,
    schema: &Value,
    entries: &serde_json::Map<String, Value>,
    at: &str,
) -> Option<String> {
    for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
        if !entries.contains_key(name.as_str().unwrap()) {
            return Some(format!("{at} has no {name}"));
        }
    }
    entries.iter().find_map(|(key, value)| {
        let at = format!("{at}.{key}");
        let own = schema.get("properties").and_then(|properties| properties.get(key));
        match own.or_else(|| schema.get("additionalProperties")) {
            Some(Value::Bool(true)) | None => None,
            Some(Value::Bool(false)) => Some(format!("{at} is not described")),
            Some(own) => wrong(root, own, value, &at),
        }
    })
}

/// Every key of an answer that the schema does not name.
fn unnamed(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let mut schemas = vec![schema];
    let mut named = serde_json::Map::new();
    let mut any = None;
    let mut each = None;
    while let Some(schema) = schemas.pop() {
        if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
            schemas.push(root.pointer(&to[1..]).unwrap());
        }
        schemas.extend(schema.get("allOf").and_then(Value::as_array).into_iter().flatten());
        named.extend(
            schema.get("properties").and_then(Value::as_object).cloned().into_iter().flatten(),
        );
        any = any.or_else(|| schema.get("additionalProperties"));
        each = each.or_else(|| schema.get("items"));
    }
    match value {
        Value::Array(items) => {
            for item in items {
                unnamed(root, each.unwrap(), item, at, found);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let at = format!("{at}.{key}");
                match named.get(key).or(any) {
                    Some(Value::Bool(true)) => {}
                    Some(schema) => unnamed(root, schema, value, &at, found),
                    None => found.push(at),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Asks, and holds the answer against its description.
async fn check(console: &Console, method: &'static str, path: &str, body: Value) {
    let described = described();
    let mut request = if method == "GET" { get(path) } else { post(path, body.to_string()) };
    request.method = method;
    let reply = console.send(request).await;
    let pattern = path.replace("/accounts/only", "/accounts/{name}");
    let operation = &described["paths"][&pattern][method.to_lowercase()];
    let response = &operation["responses"][reply.status.to_string()];
    assert!(!response.is_null(), "{method} {path}: {} is not described", reply.status);
    let to = response.get("$ref").and_then(Value::as_str);
    let response = to.map_or(response, |to| described.pointer(&to[1..]).unwrap());
    let schema = &response["content"]["application/json"]["schema"];
    let answer = reply.json();
    assert_eq!(wrong(&described, schema, &answer, "answer"), None, "{method} {path}: {answer}");
    let mut found = Vec::new();
    unnamed(&described, schema, &answer, "answer", &mut found);
    assert!(found.is_empty(), "{method} {path}: not described: {found:?}");
}

#[tokio::test]
async fn answers_are_as_described() {
    let busy = samples::refusal(Dialect::OpenAiChat, 429, "slow down").header("retry-after", "60");
    let list = Answer::json(200, r#"{"data":[{"id":"test-model"}]}"#);
    let upstream =
        Upstream::new(move |seen| if seen.method == "GET" { list.clone() } else { busy.clone() })
            .await;
    let only = Account::new("only", Dialect::OpenAiChat, &upstream.url())
        .set("model_map", json!({ "a*": MODEL }));
    let (gateway, console) = harness::start(Config::new().account(only).guarded("auto")).await;
    gateway.send(&samples::call(Dialect::OpenAiChat, MODEL)).await;
    let asked = json!({ "dialect": "gemini", "model": MODEL, "prompt": "x" });
    for (method, path, body) in [
        ("GET", "/api/status", json!({})),
        ("GET", "/api/config", json!({})),
        ("PATCH", "/api/config", json!({ "models.aliases": { "b": "c" } })),
        ("PATCH", "/api/config", json!({ "proxy.prot": 1 })),
        ("GET", "/api/key", json!({})),
        ("POST", "/api/key", json!({})),
        ("GET", "/api/accounts", json!({})),
        ("POST", "/api/accounts", json!({ "name": "x", "provider": "zai", "api_key": "k-1234" })),
        ("PATCH", "/api/accounts/only", json!({ "weight": 2 })),
        ("POST", "/api/accounts/only/reset", json!({})),
        ("POST", "/api/accounts/only/test", json!({})),
        ("POST", "/api/accounts/only/test", json!({ "model": MODEL })),
        ("POST", "/api/accounts/only/test", json!({ "x": 1 })),
        ("GET", "/api/models", json!({})),
        ("POST", "/api/try", asked.clone()),
        ("GET", "/api/openapi.json", json!({})),
        ("POST", "/api/reload", json!({})),
        ("POST", "/api/stop", json!({})),
        ("POST", "/api/try", asked),
        ("POST", "/api/start", json!({})),
        ("GET", "/healthz", json!({})),
        ("GET", "/readyz", json!({})),
    ] {
        check(&console, method, path, body).await;
    }
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let schema = json!({ "type": "object", "required": ["a"], "properties": { "a": { "type": ["string", "null"], "enum": ["x"] } }, "additionalProperties": false });
    for (value, right) in [
        (json!({ "a": "x" }), true),
        (json!({ "a": null }), true),
        (json!({ "a": "y" }), false),
        (json!({ "a": 1 }), false),
        (json!({}), false),
        (json!({ "a": "x", "b": 1 }), false),
    ] {
        assert_eq!(wrong(&schema, &schema, &value, "").is_none(), right, "{value}");
    }
}
