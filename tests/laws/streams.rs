//! Streams: however they are cut, and wherever they break off.

use proptest::prelude::*;
use proptest::sample::Index;

use crate::exchange::{Fixture, Kind, fixtures};
use crate::{folded, hear, said, trace};
use levity::dialects::{self, Dialect, StreamRenderer};
use levity::ir::event::Event;
use levity::ir::grammar::Checker;

fn stream_fixtures() -> Vec<Fixture> {
    fixtures().into_iter().filter(|fixture| fixture.kind == Kind::Stream).collect()
}

/// Reads a stream by the grammar, says it to a client, and reads that by the grammar: one fails where the other does.
pub(crate) fn keeps_the_grammar(account: Dialect, client: Dialect, stream: &[u8]) {
    let mut renderer = StreamRenderer::new(client, crate::asked());
    let mut out = Vec::new();
    let failed = ends_by_the_grammar(account, stream, &mut |event| renderer.push(event, &mut out));
    let heard = ends_by_the_grammar(client, &out, &mut |_| {});
    assert_eq!(heard, failed, "{account} to {client}: {}", String::from_utf8_lossy(&out));
}

fn ends_by_the_grammar(dialect: Dialect, stream: &[u8], each: &mut dyn FnMut(&Event<'_>)) -> bool {
    let (mut checker, mut failed) = (Checker::new(), false);
    hear(dialect, &[stream], &mut |event| {
        checker.push(event).unwrap();
        failed |= matches!(event, Event::Fail(_));
        each(event);
    });
    checker.finish().unwrap();
    failed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_stream_cut_anywhere_is_the_same(cuts in proptest::collection::vec(any::<Index>(), 1..6)) {
        for Fixture { dialect, name, body, .. } in stream_fixtures() {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|cut| &body[cut[0]..cut[1]]).collect();
            prop_assert_eq!(trace(dialect, &chunks), trace(dialect, &[&body]), "{}", name);
        }
    }

    #[test]
    fn a_stream_that_breaks_off_ends_once(end in any::<Index>()) {
        for Fixture { dialect, body, .. } in stream_fixtures() {
            for client in Dialect::ALL {
                keeps_the_grammar(dialect, client, &body[..end.index(body.len() + 1)]);
            }
        }
    }
}

#[test]
fn a_stream_a_byte_at_a_time_is_the_same() {
    for Fixture { dialect, name, body, .. } in stream_fixtures() {
        let bytes: Vec<&[u8]> = body.chunks(1).collect();
        assert_eq!(trace(dialect, &bytes), trace(dialect, &[&body]), "{name}");
    }
}

#[test]
fn a_stream_and_the_whole_answer_say_the_same() {
    let all = fixtures();
    let mut pairs = 0;
    for stream in all.iter().filter(|fixture| fixture.kind == Kind::Stream) {
        let is_pair = |other: &&Fixture| {
            other.kind == Kind::Answer
                && (other.dialect, &other.name) == (stream.dialect, &stream.name)
        };
        let Some(whole) = all.iter().find(is_pair) else { continue };
        let folded = folded(stream.dialect, &[&stream.body]).unwrap();
        let origin = crate::origin(whole.dialect);
        let parsed = dialects::parse_response(whole.dialect, &whole.body, origin).unwrap();
        assert_eq!(said::answer(&folded), said::answer(&parsed), "{}", stream.name);
        assert_eq!(folded.usage, parsed.usage, "{}", stream.name);
        let seals = |response: &levity::ir::response::Response<'_>| {
            format!("{:?}", response.candidates).matches("seal: Some").count()
        };
        assert_eq!(seals(&folded), seals(&parsed), "{}", stream.name);
        pairs += 1;
    }
    assert!(pairs > 15, "only {pairs} pairs");
}
