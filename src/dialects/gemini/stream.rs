//! Gemini generateContent answers, as they come.

mod parser;
mod renderer;

pub use parser::Parser;
pub use renderer::Renderer;
