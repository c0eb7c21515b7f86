//! Anthropic Messages answers, as they come. <https://docs.anthropic.com/en/api/messages-streaming>

mod parser;
mod renderer;

pub use parser::Parser;
pub use renderer::{Renderer, close};
