//! OpenAI Responses. <https://platform.openai.com/docs/api-reference/responses>

pub mod error;
pub mod request;
pub mod response;
pub mod stream;
pub mod wire;
