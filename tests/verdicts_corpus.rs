//! The verdicts on recorded traffic, where a corpus is at hand: `LEVITY_SHARED` names the directory
//! that holds `corpus/`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use levity::clock::Now;
use levity::config::Provider;
use levity::pool::verdict::{Answer, Outcome, Verdict, judge};
use serde::Deserialize;

#[derive(Deserialize)]
struct Meta {
    status: Option<u16>,
    provider: Option<String>,
    response_file: Option<String>,
    #[serde(default)]
    response_headers: HashMap<String, String>,
}

fn provider(meta: &Meta, case: &Path) -> Provider {
    let dialect = case.to_string_lossy();
    match meta.provider.as_deref() {
        Some("openai") => Provider::OpenAi,
        Some("anthropic") => Provider::Anthropic,
        Some("google") => Provider::Gemini,
        Some("vertex") => Provider::Vertex,
        None if dialect.contains("gemini") => Provider::Gemini,
        None if dialect.contains("anthropic") => Provider::Anthropic,
        _ => Provider::Custom,
    }
}

/// What any answer of this status may come to; the fixtures pin each kind down.
fn allowed(status: u16, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Served => status < 300,
        Outcome::ClientFault => matches!(status, 400 | 409 | 413 | 422),
        Outcome::Rejected => matches!(status, 400 | 401 | 403),
        Outcome::Missing => matches!(status, 400 | 403 | 404),
        Outcome::Unfit => matches!(status, 403 | 429),
        Outcome::Limited { .. } => matches!(status, 402 | 429 | 503 | 529),
        Outcome::Failed { .. } => matches!(status, 404 | 500..),
        Outcome::Abandoned => false,
    }
}

fn verdict(directory: &Path) -> Option<(u16, Verdict)> {
    let meta: Meta =
        serde_json::from_slice(&fs::read(directory.join("meta.json")).unwrap()).unwrap();
    let status = meta.status?;
    let body = fs::read(directory.join(meta.response_file.as_ref()?)).unwrap();
    let headers: HeaderMap = meta
        .response_headers
        .iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        })
        .collect();
    let answer = Answer {
        provider: provider(&meta, directory),
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers,
        body: &body,
    };
    Some((status, judge(&answer, Now::read())))
}

#[test]
fn recorded_answers() {
    #[expect(clippy::disallowed_methods, reason = "a test's own setting")]
    let Ok(shared) = env::var("LEVITY_SHARED") else {
        println!("skipped: LEVITY_SHARED is not set");
        return;
    };
    let mut errors = 0;
    for dialect in directories(&Path::new(&shared).join("corpus")) {
        for case in directories(&dialect).iter().flat_map(|case| {
            if case.join("meta.json").exists() { vec![case.clone()] } else { directories(case) }
        }) {
            let Some((status, verdict)) = verdict(&case) else { continue };
            assert!(allowed(status, verdict.outcome), "{}: {status} {verdict:?}", case.display());
            if status >= 300 {
                errors += 1;
                println!("{status} {}: {verdict:?}", case.file_name().unwrap().display());
            }
        }
    }
    assert!(errors > 0, "a corpus without errors");
}

fn directories(parent: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).collect()
}
