//! What a forwarded stream owes its client at its end, where the provider leaves it out. Agents that wait for it in vain ask
//! for the same turn again, some of them for ever.

use bytes::Bytes;

use super::tap::Tap;
use crate::dialects::{self, Asked, Dialect};

/// The event that is the last of its dialect's streams, where the answer came to its end without it.
pub fn last_event(tap: &Tap, dialect: Dialect, asked: &Asked) -> Bytes {
    let mut out = Vec::new();
    if tap.is_unclosed() {
        let failed = tap.progress().failed.as_ref();
        let place = (tap.events(), tap.id());
        dialects::render_last_event(dialect, failed, asked, place, &mut out);
        if tap.is_inside_event() && !out.is_empty() {
            out.splice(..0, *b"\n\n");
        }
    }
    out.into()
}
