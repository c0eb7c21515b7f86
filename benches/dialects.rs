//! What a translation costs, for each pair of dialects: an agent's request of 100 KB, a whole answer, and one event of a
//! stream with the allocations that it takes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a bench may panic"
)]

mod samples;

use std::fmt;

use divan::{AllocProfiler, Bencher, black_box, counter::BytesCount};
use levity::dialects::Dialect;
use levity::sse::Decoder;
use mimalloc::MiMalloc;
use samples::Size;

#[global_allocator]
static ALLOCATOR: AllocProfiler<MiMalloc> = AllocProfiler::new(MiMalloc);

fn main() {
    divan::main();
}

/// A client's dialect and an account's.
#[derive(Clone, Copy)]
struct Pair(Dialect, Dialect);

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.0, self.1)
    }
}

/// All pairs of two dialects.
fn pairs() -> impl Iterator<Item = Pair> {
    let all = Dialect::ALL;
    let each = all.into_iter().flat_map(move |client| all.map(|account| Pair(client, account)));
    each.filter(|Pair(client, account)| client != account)
}

/// An agent's turn: tools, calls, results.
#[divan::bench(args = pairs())]
fn request(bencher: Bencher<'_, '_>, pair: Pair) {
    translate(bencher, pair, Size::Agent);
}

#[divan::bench(args = pairs())]
fn request_of_text(bencher: Bencher<'_, '_>, pair: Pair) {
    translate(bencher, pair, Size::Large);
}

fn translate(bencher: Bencher<'_, '_>, Pair(client, account): Pair, size: Size) {
    let body = samples::request(client, "m", size, true);
    bencher
        .counter(BytesCount::of_slice(&body))
        .bench(|| samples::translation(client, account, "m", black_box(&body), true));
}

#[divan::bench(args = pairs())]
fn answer(bencher: Bencher<'_, '_>, Pair(client, account): Pair) {
    let body = samples::request(client, "m", Size::Small, false);
    let (translation, _) = samples::translation(client, account, "m", &body, false);
    let answer = samples::answer(account);
    bencher.bench(|| translation.answer(black_box(&answer)).unwrap());
}

/// A piece of text in the middle of a stream.
#[divan::bench(args = pairs())]
fn event(bencher: Bencher<'_, '_>, Pair(client, account): Pair) {
    let body = samples::request(client, "m", Size::Small, true);
    let (translation, _) = samples::translation(client, account, "m", &body, true);
    let (mut stream, mut decoder, mut out) = (translation.stream(), Decoder::new(), Vec::new());
    let mut push = move |chunk: &[u8]| {
        out.clear();
        decoder.push(chunk, |event| stream.push(event, &mut out));
        out.len()
    };
    let events = samples::events(account, 3);
    let (delta, before) = (&events[2], &events[..2]);
    for chunk in before {
        push(chunk);
    }
    bencher.bench_local(|| push(black_box(delta)));
}
