//! Gemini generateContent. <https://ai.google.dev/api/generate-content>

pub mod error;
pub mod request;
pub mod response;
pub mod stream;
pub mod wire;
