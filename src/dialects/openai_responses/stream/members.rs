//! Writing one event: its name, its number, its members.

use crate::dialects::openai_responses::json;
use crate::sse;

/// An event that is being written into a buffer.
#[derive(Debug)]
pub(super) struct Members<'o>(&'o mut Vec<u8>);

impl<'o> Members<'o> {
    /// Begins an event; its number goes up.
    pub(super) fn begin(name: &str, sequence: &mut u64, out: &'o mut Vec<u8>) -> Self {
        sse::begin(out, Some(name));
        out.push(b'{');
        out.extend_from_slice(b"\"type\":\"");
        out.extend_from_slice(name.as_bytes());
        out.push(b'"');
        let event = Self(out).json("sequence_number", &*sequence);
        *sequence += 1;
        event
    }

    pub(super) fn json<T: serde::Serialize + ?Sized>(mut self, name: &str, value: &T) -> Self {
        self.name(name);
        json(&value, self.0);
        self
    }

    /// A member whose value is written by the caller.
    pub(super) fn with(mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> Self {
        self.name(name);
        write(self.0);
        self
    }

    pub(super) fn end(self) {
        self.0.push(b'}');
        sse::end(self.0);
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}
