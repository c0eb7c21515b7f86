//! Recorded answers, where `LEVITY_SHARED` names the folder that holds them: to every other dialect, nothing is lost.

use std::fs;
use std::path::{Path, PathBuf};

use crate::exchange::{asked, others, retell};
use crate::{folded, origin, said};
use levity::dialects::{self, Dialect};
use levity::ir::losses::Losses;
use levity::ir::response::Response;

fn cases(dialect: Dialect) -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let Ok(shared) = std::env::var("LEVITY_SHARED") else { return Vec::new() };
    let folder = match dialect {
        Dialect::OpenAiChat => "openai-chat",
        Dialect::OpenAiResponses => "openai-responses",
        Dialect::Anthropic => "anthropic-messages",
        Dialect::Gemini => "gemini-generate",
    };
    let folder = Path::new(&shared).join("corpus").join(folder);
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

/// Checks what a client heard; a call that was cut short may be left out, where that is told.
fn check(what: &str, response: &Response<'_>, heard: &Response<'_>, losses: &Losses) {
    let (mut expected, mut got) = (said::answer(response), said::answer(heard));
    if losses.dropped.contains("n") {
        expected.truncate(1);
    }
    if losses.dropped.contains("tool_call") || losses.dropped.contains("arguments") {
        for said in expected.iter_mut().chain(&mut got) {
            said.calls.clear();
        }
    }
    if losses.dropped.contains("transcript") {
        for said in expected.iter_mut().chain(&mut got) {
            said.text.clear();
        }
    }
    assert_eq!(got, expected, "{what}");
}

#[test]
fn recorded_answers_to_every_client() {
    let mut checked = 0;
    for account in Dialect::ALL {
        for case in cases(account) {
            let name = case.file_name().unwrap().to_string_lossy().into_owned();
            if let Ok(body) = fs::read(case.join("response.json"))
                && let Ok(response) = dialects::parse_response(account, &body, origin(account))
            {
                for client in others(account) {
                    let (out, losses, _) = asked(client, account).answer(&body).unwrap();
                    let heard = dialects::parse_response(client, &out, origin(client)).unwrap();
                    check(&format!("{name} to {client}"), &response, &heard, &losses);
                    checked += 1;
                }
            }
            if let Ok(body) = fs::read(case.join("response.sse")) {
                let whole = folded(account, &[&body]);
                for client in others(account) {
                    let (told, losses) = retell(&asked(client, account), &body);
                    let heard = folded(client, &[told.as_bytes()]);
                    let what = format!("{name} to {client}");
                    match (&whole, &heard) {
                        (Ok(response), Ok(heard)) => check(&what, response, heard, &losses),
                        (whole, heard) => assert_eq!(heard.is_ok(), whole.is_ok(), "{what}"),
                    }
                    checked += 1;
                }
            }
        }
    }
    println!("{checked} answers checked");
}
