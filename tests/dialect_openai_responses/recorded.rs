//! Recorded traffic, where it is at hand: `LEVITY_SHARED` names the folder that holds `corpus/`.

use std::fs;
use std::path::{Path as FilePath, PathBuf};

use levity::dialects;
use levity::ir::response::{Block, Response};
use serde_json::Value;

use crate::answer::plain;
use crate::support::{
    ORIGIN, RESPONSES, asked, check_stream, folded, parse_request, render_request, render_response,
    streamed, target,
};

fn cases() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the switch of these tests alone")]
    let Ok(shared) = std::env::var("LEVITY_SHARED") else {
        skipped();
        return Vec::new();
    };
    let folder = FilePath::new(&shared).join("corpus/openai-responses");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[expect(clippy::print_stdout, reason = "a test that does nothing says so")]
fn skipped() {
    println!("skipped: LEVITY_SHARED is not set");
}

fn meta(case: &FilePath) -> Value {
    serde_json::from_slice(&fs::read(case.join("meta.json")).unwrap()).unwrap()
}

/// Every request is read and can be said again, or is refused by the name of a field.
#[test]
fn requests() {
    for case in cases() {
        let Ok(body) = fs::read_to_string(case.join("request.json")) else { continue };
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let request = parse_request(&body).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let (value, losses) = render_request(&request, target());
        let said: Value = serde_json::from_str(&body).unwrap();
        for (field, reason) in request.unsaid.refused.iter().chain(&losses.refused) {
            assert!(!field.is_empty() && !reason.is_empty(), "{name}");
        }
        if request.unsaid.refused.is_empty() && losses.refused.is_empty() {
            assert!(!value["input"].as_array().unwrap().is_empty(), "{name}");
            let tools = |value: &Value| value["tools"].as_array().map_or(0, Vec::len);
            assert!(tools(&value) <= tools(&said) + 1, "{name}");
        }
    }
}

/// Every answer is read, whole or streamed, and what is written back says the same.
#[test]
fn answers() {
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let meta = meta(&case);
        let body = fs::read(case.join(meta["response_file"].as_str().unwrap())).unwrap();
        let status = meta["status"].as_u64().unwrap_or(200);
        if status >= 400 {
            let status = u16::try_from(status).unwrap();
            let error = dialects::parse_error(RESPONSES, status, &body);
            assert!(!error.message.is_empty() && error.status == status, "{name}");
            continue;
        }
        let is_stream = case.join("response.sse").exists();
        let response = if is_stream {
            folded(&body)
        } else {
            dialects::parse_response(RESPONSES, &body, ORIGIN).map(owned)
        };
        match response {
            Ok(response) => comes_back(&name, &response),
            Err(error) => {
                let text = String::from_utf8_lossy(&body);
                let failed = ["\"error\"", "response.failed", "\"queued\""]
                    .iter()
                    .any(|word| text.contains(word));
                assert!(failed, "{name}: {error:?}");
            }
        }
    }
}

/// The same answer, borrowing nothing.
fn owned(response: Response<'_>) -> Response<'static> {
    let mut folder = levity::ir::fold::Folder::new();
    levity::ir::fold::unfold(&response, &mut |event| folder.push(event));
    folder.finish().unwrap()
}

fn comes_back(name: &str, response: &Response<'_>) {
    let (value, _) = render_response(response, &asked());
    let mut bytes = Vec::new();
    dialects::render_response(RESPONSES, response, &asked(), &mut bytes);
    let again = dialects::parse_response(RESPONSES, &bytes, ORIGIN).unwrap();
    assert_eq!(readable(&again), readable(response), "{name}");
    let (stream, _) = streamed(response, asked());
    let last = check_stream(&stream);
    assert_eq!(last["response"], value, "{name}");
    assert_eq!(readable(&folded(&stream).unwrap()), readable(response), "{name}");
}

/// Without items of types that nobody knows yet, which are dropped, and without white space, which carried JSON may lose.
fn readable(response: &Response<'_>) -> String {
    let mut known = response.clone();
    known.candidates[0].blocks.retain(|block| !matches!(block, Block::Hosted(_)));
    for block in &mut known.candidates[0].blocks {
        // Reading a number may change its last bit.
        let Block::Text { logprobs, .. } = block else { continue };
        for logprob in logprobs {
            logprob.logprob = (logprob.logprob * 1e9).round();
        }
    }
    plain(&known)
        .replace("Some(Other)", "Some(Stop)")
        .replace("\\n", "")
        .split_whitespace()
        .collect()
}
