//! Recorded traffic, where it is there.

use super::support::*;
use std::fmt::Write as _;
use std::path::{Path as FilePath, PathBuf};

use levity::dialects::{self, Dialect, Target};
use levity::ir::response::{Block, Finish, Response};
use levity::ir::seal;
use serde_json::Value;

fn corpus() -> Option<Vec<PathBuf>> {
    let Ok(shared) = std::env::var("LEVITY_SHARED") else {
        println!("skipped: LEVITY_SHARED is not set");
        return None;
    };
    let root = FilePath::new(&shared).join("corpus/gemini-generate");
    Some(std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect())
}

#[test]
fn recorded_requests_are_read() {
    for case in corpus().unwrap_or_default() {
        let Ok(body) = std::fs::read(case.join("request.json")) else { continue };
        let request = parse(&body).unwrap_or_else(|error| panic!("{}: {error:?}", case.display()));
        let (out, losses) = written(&request, Target { issuer: seal::NATIVE, ..target("x") });
        let again = parse(&out).unwrap();
        // Media of results move behind them for this model, and text documents are written as text.
        let moves = said(&request).iter().any(|line| {
            line.starts_with("Tool") && line.contains("; ") || line.contains("file Some(\"text/")
        });
        if losses.is_empty() && !moves {
            assert_eq!(said(&again), said(&request), "{}", case.display());
        }
    }
}

#[test]
fn recorded_answers_are_read() {
    for case in corpus().unwrap_or_default() {
        if let Ok(body) = std::fs::read(case.join("response.sse")) {
            let lines = events(&[&body]);
            let failed = lines.last().unwrap().starts_with("fail");
            assert_eq!(
                failed,
                body.windows(8).any(|bytes| bytes == b"\"error\":"),
                "{}",
                case.display()
            );
            let again = events(&[&render_stream(&body, false)]);
            assert_eq!(essence(&again), essence(&lines), "{}", case.display());
            serde_json::from_slice::<Vec<Value>>(&render_stream(&body, true)).unwrap();
        }
        if let Ok(body) = std::fs::read(case.join("response.json")) {
            let Ok(response) = dialects::parse_response(Dialect::Gemini, &body, ORIGIN) else {
                let error = dialects::parse_error(Dialect::Gemini, 400, &body);
                assert!(!error.message.is_empty(), "{}", case.display());
                continue;
            };
            let (out, _) = render_response(&response);
            let again = dialects::parse_response(Dialect::Gemini, &out, ORIGIN).unwrap();
            assert_eq!(whole_essence(&again), whole_essence(&response), "{}", case.display());
        }
    }
}

fn whole_essence(response: &Response<'_>) -> String {
    let mut out = String::new();
    for candidate in &response.candidates {
        for block in &candidate.blocks {
            match block {
                Block::Text { text, .. } | Block::Refusal(text) => out.push_str(text),
                Block::Reasoning { text, .. } => {
                    let _ = write!(out, "<{text}>");
                }
                Block::ToolCall(call) => {
                    let args = serde_json::from_str::<Value>(&call.arguments).unwrap_or_default();
                    let _ = write!(out, "{}({args})", call.name);
                }
                Block::Image { .. } | Block::Audio { .. } | Block::Hosted(_) => {}
            }
        }
        let finish = candidate.finish.unwrap_or(Finish::Other);
        let _ = writeln!(out, "{finish:?}");
    }
    let _ = write!(out, "{:?}", response.usage.unwrap_or_default());
    out.replace("<>", "")
}
