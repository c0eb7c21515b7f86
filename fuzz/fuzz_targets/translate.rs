//! A request said to any account is one that the account's dialect understands.
#![no_main]

use levity::dialects;
use levity::translate::{Exchange, Translation};
use levity_fuzz::{dialect, is_json, path, target};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((client, rest)) = dialect(data) else { return };
    let Some((account, body)) = dialect(rest) else { return };
    let subset = rest[0] & 4 == 4;
    let exchange = Exchange { id: "x1", created: 7 };
    let said =
        Translation::request(client, account, body, path(true), (target(subset), exchange));
    let Ok((_, out, _)) = said else { return };
    is_json(&out);
    let again = dialects::parse_request(account, &out, path(true));
    assert!(again.is_ok(), "{again:?}: {}", String::from_utf8_lossy(&out));
});
