//! Anthropic Messages. <https://docs.anthropic.com/en/api/messages>

pub mod error;
pub mod request;
pub mod response;
pub mod stream;
pub mod wire;
