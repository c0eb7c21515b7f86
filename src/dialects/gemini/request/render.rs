//! The ir's request as an account gets it.

mod config;
mod contents;
mod tools;

use crate::dialects::Target;
use crate::dialects::gemini::request::model::Model;
use crate::dialects::gemini::wire;
use crate::dialects::gemini::wire::Many;
use crate::dialects::gemini::wire::part::Content;
use crate::dialects::tools::Toolbox;
use crate::ir::losses::Losses;
use crate::ir::request::Request;

/// For whom a request is written, and what is lost on the way.
struct Page<'r> {
    target: Target<'r>,
    model: Model,
    toolbox: &'r Toolbox,
    losses: Losses,
}

/// Writes the body, appending to `out`.
pub(super) fn request(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let model = Model::of(target.model);
    let mut page = Page { target, model, toolbox, losses: Losses::default() };
    let (system, contents) = contents::write(&mut page, &request.turns);
    let tools = tools::write(&mut page, &request.tools);
    let tool_config = tools::config(&mut page, request, &tools);
    let generation_config = config::write(&mut page, request);
    let wire = wire::request::Request {
        system_instruction: (!system.is_empty())
            .then_some(Content { parts: Many(system), role: None }),
        contents: Some(Many(contents)),
        tools: (!tools.is_empty()).then_some(Many(tools)),
        tool_config,
        generation_config,
        service_tier: config::service_tier(&mut page, request),
        ..wire::request::Request::default()
    };
    // Writing to memory cannot fail, and every key is a string.
    let _ = serde_json::to_writer(&mut *out, &wire);
    page.losses
}
