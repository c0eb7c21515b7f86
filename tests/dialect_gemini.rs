//! Gemini generateContent: every fixture both ways, every cut of every stream, and the recorded traffic where it is there.

#![expect(clippy::disallowed_types, reason = "fixtures are compared as JSON")]
#![expect(clippy::disallowed_methods, reason = "tests ask where recorded traffic lies")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![expect(clippy::wildcard_enum_match_arm, reason = "other parts fail the comparison")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

#[path = "dialect_gemini/outline.rs"]
mod outline;

#[path = "dialect_gemini/answers.rs"]
mod answers;
#[path = "dialect_gemini/damage.rs"]
mod damage;
#[path = "dialect_gemini/fixtures.rs"]
mod fixtures;
#[path = "dialect_gemini/recorded.rs"]
mod recorded;
#[path = "dialect_gemini/requests_read.rs"]
mod requests_read;
#[path = "dialect_gemini/requests_written.rs"]
mod requests_written;
#[path = "dialect_gemini/seals.rs"]
mod seals;
#[path = "dialect_gemini/support.rs"]
mod support;
