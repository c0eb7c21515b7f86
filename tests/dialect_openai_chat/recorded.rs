//! Recorded traffic of the providers, where it is at hand: everything is read, and what is written is read as the same.

use std::path::{Path, PathBuf};

use levity::dialects::openai_chat::{error, response};
use serde::Deserialize;

use crate::support::{ORIGIN, asked, bare, fold, lines, read, rewrite, write};

/// What a recording says of itself.
#[derive(Deserialize)]
struct Meta {
    #[serde(default = "ok")]
    status: u16,
}

const fn ok() -> u16 {
    200
}

fn recordings() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let Ok(shared) = std::env::var("LEVITY_SHARED") else {
        eprintln!("skipped: LEVITY_SHARED is not set");
        return Vec::new();
    };
    let folder = Path::new(&shared).join("corpus/openai-chat");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries.filter(|path| path.join("meta.json").exists()).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn status(case: &Path) -> u16 {
    let meta = std::fs::read(case.join("meta.json")).unwrap();
    serde_json::from_slice::<Meta>(&meta).unwrap().status
}

#[test]
fn requests() {
    for case in recordings() {
        let Ok(body) = std::fs::read_to_string(case.join("request.json")) else { continue };
        let request = match read(&body) {
            Ok(request) => request,
            // Azure has the model in the path.
            Err(error) if error.param.as_deref() == Some("model") => continue,
            Err(error) => panic!("{}: {error:?}", case.display()),
        };
        for model in ["gpt-5.4", "some-model", "mistral-large-latest"] {
            let (sent, losses) = write(&request, model);
            // File ids, and web search where the model has none.
            if !losses.refused.is_empty() {
                continue;
            }
            let again = sent.to_string();
            let second = read(&again).unwrap();
            let (twice, losses) = write(&second, model);
            assert_eq!(sent, twice, "{}", case.display());
            assert!(losses.refused.is_empty(), "{}: {losses:?}", case.display());
        }
    }
}

#[test]
fn answers() {
    for case in recordings() {
        let Ok(body) = std::fs::read(case.join("response.json")) else { continue };
        let status = status(&case);
        if status >= 400 {
            let error = error::parse(status, &body);
            assert!(!error.message.is_empty() && error.status == status, "{}", case.display());
            continue;
        }
        let first = response::parse(&body, ORIGIN);
        let first = first.unwrap_or_else(|error| panic!("{}: {error:?}", case.display()));
        let mut out = Vec::new();
        response::render(&first, &asked(false), &mut out);
        let second = response::parse(&out, ORIGIN).unwrap();
        assert_eq!(comparable(&lines(&second)), comparable(&lines(&first)), "{}", case.display());
    }
}

#[test]
fn streams() {
    for case in recordings() {
        let Ok(body) = std::fs::read(case.join("response.sse")) else { continue };
        if status(&case) >= 400 {
            continue;
        }
        let first = fold(&body);
        let (written, _) = rewrite(&body, asked(true));
        let second = fold(written.as_bytes());
        match (first, second) {
            (Ok(first), Ok(second)) => {
                let (first, second) = (comparable(&lines(&first)), comparable(&lines(&second)));
                assert_eq!(first, second, "{}", case.display());
            }
            (Err(first), Err(second)) => assert_eq!(first.message, second.message),
            (first, second) => panic!("{}: {first:?} {second:?}", case.display()),
        }
        for (at, _) in std::str::from_utf8(&body).unwrap().match_indices("\n\n").step_by(7) {
            let _ = fold(&body[..at]);
        }
    }
}

/// What a chat message can hold: thinking in front, no images, no sound; a source that points at no words gets some, counts
/// that are not known are none.
fn comparable(lines: &str) -> Vec<String> {
    let mut all: Vec<String> = bare(lines)
        .lines()
        .filter(|line| !line.starts_with("image ") && !line.starts_with("audio "))
        .filter(|line| *line != "reasoning \"\"")
        .map(|line| line.split(" cites ").next().unwrap_or_default())
        .map(|line| line.replace("uncounted", "in 0 (0 read, 0 written) out 0 (0 thought)"))
        .map(|line| line.replace("finish None", "finish Some(Stop)"))
        .collect();
    all.sort();
    all
}
