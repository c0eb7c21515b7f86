//! Every fixture, both ways; every cut of every stream.

use super::outline;
use super::support::*;
use std::fmt::Write as _;

use levity::dialects::{self, Dialect, Quirks, Target};
use serde_json::Value;

#[test]
fn requests_are_read_and_written() {
    for (name, body) in fixtures("requests") {
        let request = parse(&body).unwrap();
        let mut text = outline::request(&request);
        for (model, schema_subset) in [("gemini-2.5-flash", false), ("gemini-3-pro", true)] {
            let quirks = Quirks { schema_subset, ..Quirks::default() };
            let (json, losses) = render(&request, Target { issuer: "", quirks, ..target(model) });
            let _ =
                write!(text, "\n{model}, subset {schema_subset}, {losses:?}\n{}\n", pretty(&json));
        }
        insta::assert_snapshot!(format!("request_{name}"), text);
    }
}

#[test]
fn a_request_written_and_read_again_says_the_same() {
    for (name, body) in fixtures("requests") {
        let request = parse(&body).unwrap();
        let (out, losses) = written(&request, Target { issuer: "", ..target("gemini-2.5-flash") });
        // A text document is written as text.
        if losses.is_empty() && name != "media" {
            assert_eq!(said(&parse(&out).unwrap()), said(&request), "{name}");
        }
    }
}

#[test]
fn answers_are_read_and_written() {
    for (name, body) in fixtures("answers") {
        let text = match dialects::parse_response(Dialect::Gemini, &body, ORIGIN) {
            Err(error) => format!("{error:?}\n"),
            Ok(response) => {
                let (out, losses) = render_response(&response);
                let json: Value = serde_json::from_slice(&out).unwrap();
                format!("{}\n{losses:?}\n{}\n", outline::response(&response), pretty(&json))
            }
        };
        insta::assert_snapshot!(format!("answer_{name}"), text);
    }
}

#[test]
fn streams_are_read_and_written() {
    for (name, body) in fixtures("streams") {
        let lines = events(&[&body]).join("\n");
        let out = String::from_utf8(render_stream(&body, false)).unwrap();
        insta::assert_snapshot!(format!("stream_{name}"), format!("{lines}\n\n{out}"));
    }
}

#[test]
fn a_stream_cut_anywhere_is_the_same() {
    for (name, body) in fixtures("streams") {
        let whole = events(&[&body]);
        for cut in 0..=body.len() {
            let (first, second) = body.split_at(cut);
            assert_eq!(events(&[first, second]), whole, "{name} cut at {cut}");
        }
    }
}

#[test]
fn every_prefix_of_a_stream_has_one_end() {
    for (_, body) in fixtures("streams") {
        for end in 0..body.len() {
            events(&[&body[..end]]);
        }
    }
}

#[test]
fn a_stream_and_the_same_chunks_whole_say_the_same() {
    for (name, body) in fixtures("streams") {
        let Some(folded) = outline::fold(&events(&[&body])) else { continue };
        let text = String::from_utf8(body).unwrap();
        let chunks: Vec<&str> =
            text.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
        let array = format!("[{}]", chunks.join("\n,\r\n"));
        let whole = dialects::parse_response(Dialect::Gemini, array.as_bytes(), ORIGIN).unwrap();
        assert_eq!(folded, outline::unfold(&whole), "{name}");
    }
}

#[test]
fn an_answer_written_and_read_again_says_the_same() {
    for (name, body) in fixtures("streams") {
        let lines = events(&[&body]);
        let again = events(&[&render_stream(&body, false)]);
        assert_eq!(essence(&again), essence(&lines), "{name}");
    }
}
