//! Anthropic Messages as it stands on the wire: types and nothing else.

pub(crate) mod read;
pub(crate) mod write;
