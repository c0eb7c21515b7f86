//! Anthropic Messages as it stands on the wire: types and nothing else.
