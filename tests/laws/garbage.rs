//! Anything at all is survived, by every parser and through every pair.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::exchange::{ask, fixtures};
use crate::streams::keeps_the_grammar;
use crate::{asked, origin};
use levity::dialects::{self, Dialect};
use levity::ir::seal;
use serde::de::IgnoredAny;

/// Reads bytes as all that they could be, and says what was understood to every dialect.
fn survive(dialect: Dialect, body: &[u8]) {
    let error = dialects::parse_error(dialect, 500, body);
    let response = dialects::parse_response(dialect, body, origin(dialect));
    dialects::parse_usage(dialect, body);
    dialects::parse_event_usage(dialect, body);
    for other in Dialect::ALL {
        if let Ok((_, out, _)) = ask(dialect, other, body) {
            is_json(&out);
        }
        let mut out = Vec::new();
        dialects::render_error(other, &error, "r", &mut out);
        is_json(&out);
        if let Ok(response) = &response {
            let mut out = Vec::new();
            dialects::render_response(other, response, &asked(), &mut out);
            is_json(&out);
        }
        keeps_the_grammar(dialect, other, body);
        keeps_the_grammar(dialect, other, &[b"data: ", body, b"\n\n"].concat());
    }
}

fn is_json(bytes: &[u8]) {
    serde_json::from_slice::<IgnoredAny>(bytes).unwrap();
}

/// The gateway fetches nothing, and nobody is asked to fetch what could only be on a disk.
#[test]
fn an_address_that_is_none_of_the_web_is_refused_by_its_field() {
    for address in ["file:///etc/passwd", "/etc/passwd", "dat:image/png;base64,AAAA", ""] {
        for (dialect, body) in [
            (
                Dialect::OpenAiChat,
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"@"}}]}]}"#,
            ),
            (
                Dialect::OpenAiChat,
                r#"{"model":"m","messages":[{"role":"user","content":[{"type":"video_url","video_url":{"url":"@"}}]}]}"#,
            ),
            (
                Dialect::OpenAiResponses,
                r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"@"}]}]}"#,
            ),
            (
                Dialect::Anthropic,
                r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"@"}}]}]}"#,
            ),
            (
                Dialect::Anthropic,
                r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"@"}}]}]}"#,
            ),
            (
                Dialect::Gemini,
                r#"{"contents":[{"parts":[{"fileData":{"mimeType":"image/png","fileUri":"@"}}]}]}"#,
            ),
        ] {
            let body = body.replace('@', address);
            for target in Dialect::ALL {
                let error = ask(dialect, target, body.as_bytes()).unwrap_err();
                assert_eq!(error.status, 400, "{body}");
                assert!(error.param.is_some(), "{body}: {error:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_survived(body in vec(any::<u8>(), 0..200)) {
        for dialect in Dialect::ALL {
            survive(dialect, &body);
        }
    }

    #[test]
    fn any_json_is_survived(body in crate::any::arguments()) {
        for dialect in Dialect::ALL {
            survive(dialect, body.as_bytes());
        }
    }

    #[test]
    fn damaged_fixtures_are_survived(
        pick in any::<Index>(),
        at in any::<Index>(),
        new in prop_oneof![vec(any::<u8>(), 0..4), "(null|\\{\\}|\\[\\]|\"\"|-1|1e99|\\n\\n)".prop_map(String::into_bytes)],
        gone in 0_usize..12,
    ) {
        let all = fixtures();
        let fixture = &all[pick.index(all.len())];
        let mut body = fixture.body.clone();
        let at = at.index(body.len());
        let end = (at + gone).min(body.len());
        body.splice(at..end, new);
        survive(fixture.dialect, &body);
    }

    #[test]
    fn any_text_is_a_seal_or_not(text in "(lvUB|call_1-lvs1-lvUB)?[A-Za-z0-9+/_=-]{0,60}") {
        let _ = seal::from_text(&text);
        prop_assert!(text.starts_with(seal::unwrap_id(&text).0));
    }
}
