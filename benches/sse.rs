//! What it costs to find the events in a stream, and the members at the top of a body.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench may panic")]

mod samples;

use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};
use levity::dialects::{Dialect, Origin};
use levity::json;
use levity::proxy::tap::Tap;
use levity::sse::Decoder;
use mimalloc::MiMalloc;
use samples::Size;

#[global_allocator]
static ALLOCATOR: AllocProfiler<MiMalloc> = AllocProfiler::new(MiMalloc);

fn main() {
    divan::main();
}

/// A stream of 200 events as it may be cut.
fn cut(chunks: &str) -> (usize, Vec<Vec<u8>>) {
    let events = samples::events(Dialect::OpenAiChat, 200);
    let whole = events.concat();
    let chunks = match chunks {
        "whole" => vec![whole.clone()],
        "an event each" => events,
        _ => whole.chunks(7).map(<[u8]>::to_vec).collect(),
    };
    (whole.len(), chunks)
}

#[divan::bench(args = ["whole", "an event each", "7 bytes each"])]
fn decode(bencher: Bencher<'_, '_>, chunks: &str) {
    let (bytes, chunks) = cut(chunks);
    bencher.counter(BytesCount::new(bytes)).bench(|| {
        let (mut decoder, mut length) = (Decoder::new(), 0);
        for chunk in &chunks {
            decoder.push(black_box(chunk), |event| length += event.data.len());
        }
        length
    });
}

/// What is looked at of one event that is forwarded.
#[divan::bench(args = Dialect::ALL)]
fn tap(bencher: Bencher<'_, '_>, dialect: Dialect) {
    let mut tap = Tap::new(dialect, false, Origin { issuer: "", id: "req_0123456789abcdef" });
    let events = samples::events(dialect, 3);
    for chunk in &events[..2] {
        tap.push(chunk);
    }
    bencher
        .counter(BytesCount::of_slice(&events[2]))
        .bench_local(|| tap.push(black_box(&events[2])));
}

#[divan::bench(args = [Size::Small, Size::Large, Size::Agent])]
fn members(bencher: Bencher<'_, '_>, size: Size) {
    let body = samples::request(Dialect::OpenAiChat, "m", size, true);
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let mut found = 0;
        json::members(black_box(&body), |_, value| found += value.len()).map(|()| found)
    });
}

/// What is read of an answer that is forwarded.
#[divan::bench]
fn members_of_an_answer(bencher: Bencher<'_, '_>) {
    let body = samples::answer(Dialect::OpenAiChat);
    bencher.counter(BytesCount::of_slice(&body)).bench(|| {
        let mut found = 0;
        json::members(black_box(&body), |_, value| found += value.len()).map(|()| found)
    });
}
