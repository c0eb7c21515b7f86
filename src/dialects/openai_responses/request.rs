//! OpenAI Responses requests. <https://platform.openai.com/docs/api-reference/responses/create>

mod parse;

mod items;
mod media;
mod tools;

mod echo;
mod locate;

mod render;

mod built_in;
mod history;
mod models;
mod settings;
mod strict;

pub use self::parse::{parse, parse_count};
pub use self::render::{render, render_count};
