//! Recorded traffic, where its folder is named.

use std::fs;
use std::path::PathBuf;

use crate::*;

/// The recorded cases of the dialect, where the variable names their folder.
fn cases() -> Vec<PathBuf> {
    let Some(shared) = std::env::var_os("LEVITY_SHARED") else {
        println!("skipped: LEVITY_SHARED is not set");
        return Vec::new();
    };
    let folder = PathBuf::from(shared).join("corpus/anthropic-messages");
    let mut cases: Vec<_> =
        fs::read_dir(folder).unwrap().map(|case| case.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

#[test]
fn requests() {
    for case in cases() {
        let Ok(body) = fs::read_to_string(case.join("request.json")) else { continue };
        let status = fs::read_to_string(case.join("meta.json")).unwrap();
        let status: Value = serde_json::from_str(&status).unwrap();
        match parse(&body) {
            Ok(mut request) => {
                let model = request.model.to_string();
                let (first, _) = rendered_for(&mut request, &model);
                // Written and read again, it says the same.
                let again = first.to_string();
                let mut again = parse(&again).unwrap();
                let (second, _) = rendered_for(&mut again, &model);
                let blind = |mut body: Value| {
                    body["thinking"] = Value::Null;
                    body["output_config"] = Value::Null;
                    body
                };
                assert_eq!(blind(second), blind(first), "{}", case.display());
            }
            Err(error) => assert_ne!(status["status"], 200, "{}: {error:?}", case.display()),
        }
    }
}

#[test]
fn answers() {
    for case in cases() {
        let meta = fs::read_to_string(case.join("meta.json")).unwrap();
        let meta: Value = serde_json::from_str(&meta).unwrap();
        let status = u16::try_from(meta["status"].as_u64().unwrap()).unwrap();
        let body = fs::read_to_string(case.join(meta["response_file"].as_str().unwrap())).unwrap();
        if status >= 400 {
            let error = anthropic::error::parse(status, body.as_bytes());
            let expected: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(error.message, expected["error"]["message"].as_str().unwrap());
            continue;
        }
        let response = if meta["stream"] == true {
            folded(&body)
        } else {
            anthropic::response::parse(body.as_bytes(), ORIGIN)
        };
        let Ok(response) = response else {
            assert!(body.matches("message_start").count() > 2, "{}", case.display());
            continue;
        };
        let (message, losses) = whole(&response);
        let is_cut = response.candidates[0].finish == Some(Finish::Length);
        if !is_cut {
            let (streamed, stream_losses) = assembled(&response);
            assert_eq!(streamed, message, "{}", case.display());
            assert_eq!(stream_losses, losses);
        }
        let written = message.to_string();
        let again = anthropic::response::parse(written.as_bytes(), ORIGIN).unwrap();
        assert_eq!(again.usage.unwrap_or_default(), response.usage.unwrap_or_default());
        assert_eq!(short(&again), short(&response), "{}", case.display());
    }
}

/// Text, calls and finish of an answer.
fn short(response: &Response<'_>) -> Vec<String> {
    let candidate = &response.candidates[0];
    let block = |block: &Block<'_>| match block {
        Block::Text { text, .. } | Block::Reasoning { text, .. } => Some(text.to_string()),
        Block::ToolCall(call) => {
            let arguments: Option<Value> = serde_json::from_str(&call.arguments).ok();
            let arguments = arguments.unwrap_or_else(|| json!({}));
            Some(format!("{} {} {arguments}", call.id, call.name))
        }
        Block::Hosted(item) => {
            Some(serde_json::from_str::<Value>(item.raw.get()).unwrap().to_string())
        }
        Block::Refusal(_) | Block::Image { .. } | Block::Audio { .. } => None,
    };
    let finish = match candidate.finish {
        Some(Finish::StopSequence) => Some(Finish::Stop),
        finish => finish,
    };
    let blocks = candidate.blocks.iter().filter_map(block);
    blocks.chain([format!("{finish:?}")]).collect()
}
