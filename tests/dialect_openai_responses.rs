//! The Responses dialect: requests, answers, streams and errors, both ways.

#![expect(clippy::disallowed_types, reason = "fixtures are compared as JSON")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]
#![expect(
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    clippy::format_push_string,
    reason = "tests are tables: long, made of literals, and of one case at a time"
)]

#[path = "dialect_openai_responses/support.rs"]
mod support;

#[path = "dialect_openai_responses/request_parse.rs"]
mod request_parse;
#[path = "dialect_openai_responses/request_render.rs"]
mod request_render;

#[path = "dialect_openai_responses/answer.rs"]
mod answer;
#[path = "dialect_openai_responses/stream_parse.rs"]
mod stream_parse;
#[path = "dialect_openai_responses/stream_render.rs"]
mod stream_render;

#[path = "dialect_openai_responses/seals.rs"]
mod seals;

#[path = "dialect_openai_responses/errors.rs"]
mod errors;

#[path = "dialect_openai_responses/recorded.rs"]
mod recorded;
