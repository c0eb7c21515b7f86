//! Whatever a provider streams obeys the grammar, and so does what the client hears of it.
#![no_main]

use levity::dialects::{Dialect, StreamParser, StreamRenderer};
use levity::ir::event::Event;
use levity::ir::grammar::Checker;
use levity_fuzz::{ORIGIN, asked, dialect, events};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((account, rest)) = dialect(data) else { return };
    let Some((client, stream)) = dialect(rest) else { return };
    let mut renderer = StreamRenderer::new(client, asked());
    let mut out = Vec::new();
    let failed = heard(account, stream, &mut |event| renderer.push(event, &mut out));
    let failed_again = heard(client, &out, &mut |_| {});
    assert_eq!(failed_again, failed, "{}", String::from_utf8_lossy(&out));
});

/// Reads a stream, checks it, and says whether it failed.
fn heard(dialect: Dialect, stream: &[u8], each: &mut dyn FnMut(&Event<'_>)) -> bool {
    let mut parser = StreamParser::new(dialect, ORIGIN);
    let mut checker = Checker::new();
    let mut failed = false;
    let mut each = |event: &Event<'_>| {
        checker.push(event).unwrap();
        failed |= matches!(event, Event::Fail(_));
        each(event);
    };
    for event in events(stream, 0) {
        parser.push(&event, &mut each);
    }
    parser.finish(&mut each);
    checker.finish().unwrap();
    failed
}
