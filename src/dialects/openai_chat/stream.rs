//! OpenAI Chat Completions answers, as they come.
//! <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>

mod call;
mod candidate;
mod parser;
mod renderer;

pub use parser::Parser;
pub use renderer::Renderer;
