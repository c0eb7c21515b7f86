//! What a forwarded stream owes its client at its end, where the provider leaves it out. Agents that wait for it in vain ask
//! for the same turn again, some of them for ever.

use bytes::Bytes;
use memchr::memmem;

use super::tap::Tap;
use crate::dialects::{self, Asked, Dialect, openai_chat};
use crate::ir::response::Finish;

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

/// A piece of a Chat Completions stream with a `finish_reason` before its `[DONE]`: nothing but that says that the answer is
/// over. `None` where the piece does not hold it.
pub fn explained(piece: &[u8], tap: &Tap, asked: &Asked) -> Option<Bytes> {
    let done = [b"data: [DONE]".as_slice(), b"data:[DONE]"];
    let at = done.iter().find_map(|done| memmem::rfind(piece, done))?;
    let mut said = Vec::new();
    let reason = if tap.has_calls() { Finish::ToolCalls } else { Finish::Stop };
    openai_chat::stream::finish(asked, reason, &mut said);
    let (before, after) = piece.split_at_checked(at)?;
    Some([before, &said, after].concat().into())
}
