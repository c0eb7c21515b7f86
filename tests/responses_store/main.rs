//! The state behind the Responses dialect: conversations that go on by an id, over any upstream.

#![expect(clippy::disallowed_types, reason = "bodies are compared as JSON")]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod support;

mod conversations;
mod disk;
mod resent;
mod serve;
mod translated;
