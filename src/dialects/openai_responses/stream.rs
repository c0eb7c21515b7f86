//! OpenAI Responses answers, as they come. <https://platform.openai.com/docs/api-reference/responses-streaming>

mod parser;
mod slot;

mod members;
mod renderer;

pub use self::parser::Parser;
pub use self::renderer::Renderer;

pub(super) use self::renderer::{fail, failed};
