//! Anthropic Messages requests. <https://docs.anthropic.com/en/api/messages>

mod blame;
mod conversation;
mod media;
mod model;
mod parse;
mod render;
mod schema;
mod thinking;
mod turns;

pub use parse::{parse, parse_count};
pub use render::{betas, render, render_count};
