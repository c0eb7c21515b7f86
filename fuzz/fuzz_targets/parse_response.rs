//! An answer that is understood can be said to every client, and error bodies are always understood.
#![no_main]

use levity::dialects::{self, Dialect};
use levity_fuzz::{ORIGIN, asked, dialect, is_json};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((dialect, body)) = dialect(data) else { return };
    let error = dialects::parse_error(dialect, 500, body);
    let _ = dialects::parse_usage(dialect, body);
    let _ = dialects::parse_event_usage(dialect, body);
    let response = dialects::parse_response(dialect, body, ORIGIN);
    for client in Dialect::ALL {
        let mut out = Vec::new();
        dialects::render_error(client, &error, "r", &mut out);
        is_json(&out);
        if let Ok(response) = &response {
            out.clear();
            dialects::render_response(client, response, &asked(), &mut out);
            is_json(&out);
            let again = dialects::parse_response(client, &out, ORIGIN);
            assert!(again.is_ok(), "{again:?}: {}", String::from_utf8_lossy(&out));
        }
    }
});
