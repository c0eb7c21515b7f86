//! A request that is understood can be put in order and said again in its own dialect, and is understood there.
#![no_main]

use levity::dialects::{self, tools::Toolbox};
use levity::ir::request::{Part, Role, Turn};
use levity::ir::tidy::tidy;
use levity_fuzz::{dialect, is_json, path, target};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((dialect, body)) = dialect(data) else { return };
    let Ok(mut request) = dialects::parse_request(dialect, body, path(false)) else { return };
    tidy(&mut request);
    // Who says nothing, or system texts alone, is met in `translate`.
    let says = |part: &Part<'_>| !matches!(part, Part::Reasoning(_) | Part::Hosted(_));
    let is_order = |turn: &Turn<'_>| matches!(turn.role, Role::System | Role::Developer);
    if !request.turns.iter().any(|turn| !is_order(turn) && turn.parts.iter().any(says)) {
        return;
    }
    let toolbox = Toolbox::new(&request, dialect);
    let mut out = Vec::new();
    let losses = dialects::render_request(dialect, &request, target(false), &toolbox, &mut out);
    is_json(&out);
    if losses.refused.is_empty() {
        let again = dialects::parse_request(dialect, &out, path(false));
        assert!(again.is_ok(), "{again:?}: {}", String::from_utf8_lossy(&out));
    }
});
