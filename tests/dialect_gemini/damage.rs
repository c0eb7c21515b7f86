//! Anything at all is survived.

use super::support::*;

use levity::dialects::{self, Dialect, Quirks, Target};
use proptest::prelude::*;

fn survive(body: &[u8]) {
    if let Ok(request) = parse(body) {
        for (model, schema_subset) in [("gemini-3-pro", true), ("x", false)] {
            render(
                &request,
                Target { quirks: Quirks { schema_subset, ..Quirks::default() }, ..target(model) },
            );
        }
    }
    if let Ok(response) = dialects::parse_response(Dialect::Gemini, body, ORIGIN) {
        let (out, _) = render_response(&response);
        dialects::parse_response(Dialect::Gemini, &out, ORIGIN).unwrap();
    }
    dialects::parse_error(Dialect::Gemini, 500, body);
    events(&[body]);
    events(&[b"data: ", body, b"\n\n"]);
    render_stream(body, true);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_are_survived(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        survive(&body);
    }

    #[test]
    fn damaged_fixtures_are_survived(pick in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bytes in proptest::collection::vec(any::<u8>(), 0..4), cut in 0_usize..12) {
        let all: Vec<Vec<u8>> = ["requests", "answers", "streams"].iter().flat_map(|folder| fixtures(folder)).map(|(_, body)| body).collect();
        let mut body = all[pick.index(all.len())].clone();
        let at = at.index(body.len());
        let end = (at + cut).min(body.len());
        body.splice(at..end, bytes);
        survive(&body);
    }
}
