//! A stream cut anywhere has the same events.
#![no_main]

use levity_fuzz::events;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&cut, stream)) = data.split_first() else { return };
    let whole = events(stream, 0);
    assert_eq!(events(stream, usize::from(cut)), whole);
    assert_eq!(events(stream, stream.len().saturating_sub(usize::from(cut))), whole);
});
