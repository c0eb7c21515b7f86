//! OpenAI Chat Completions, read and written: every feature and every oddity of the providers that speak it.
#![expect(clippy::disallowed_types, reason = "what is written is compared as JSON")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::needless_pass_by_value, reason = "expectations are written in their place")]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]

#[path = "dialect_openai_chat/support.rs"]
mod support;

#[path = "dialect_openai_chat/requests_read.rs"]
mod requests_read;
#[path = "dialect_openai_chat/requests_written.rs"]
mod requests_written;

#[path = "dialect_openai_chat/answers.rs"]
mod answers;
#[path = "dialect_openai_chat/streams_read.rs"]
mod streams_read;
#[path = "dialect_openai_chat/streams_written.rs"]
mod streams_written;

#[path = "dialect_openai_chat/errors.rs"]
mod errors;

#[path = "dialect_openai_chat/recorded.rs"]
mod recorded;
