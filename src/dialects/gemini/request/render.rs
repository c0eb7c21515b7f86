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
use crate::json;

/// For whom a request is written, and what is lost on the way.
struct Page<'r> {
    target: Target<'r>,
    model: Model,
    toolbox: &'r Toolbox,
    losses: Losses,
}

impl<'r> Page<'r> {
    fn new(target: Target<'r>, toolbox: &'r Toolbox) -> Self {
        Self { target, model: Model::of(target.model), toolbox, losses: Losses::default() }
    }
}

/// Writes the body, appending to `out`.
pub(super) fn request(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let mut page = Page::new(target, toolbox);
    let wire = wire::request::Request {
        generation_config: config::write(&mut page, request),
        service_tier: config::service_tier(&mut page, request),
        ..prompt(&mut page, request)
    };
    // Writing to memory cannot fail, and every key is a string.
    let _ = json::write::value(&wire, out);
    page.losses
}

/// Writes the body of a count, appending to `out`. Of a bare prompt Google counts the contents alone, so that it goes as a
/// whole request, which names its model.
pub(super) fn count(
    request: &Request<'_>,
    target: Target<'_>,
    toolbox: &Toolbox,
    out: &mut Vec<u8>,
) -> Losses {
    let mut page = Page::new(target, toolbox);
    let whole = wire::request::Request {
        model: Some(format!("models/{}", target.model).into()),
        // A schema counts as a part of the prompt, the other settings have no tokens.
        generation_config: config::form(&mut page, request),
        ..prompt(&mut page, request)
    };
    let wire = wire::request::Request { wrapped: Some(Box::new(whole)), ..Default::default() };
    // Writing to memory cannot fail, and every key is a string.
    let _ = json::write::value(&wire, out);
    page.losses
}

/// What the model reads.
fn prompt<'r>(page: &mut Page<'r>, request: &'r Request<'_>) -> wire::request::Request<'r> {
    let (system, contents) = contents::write(page, &request.turns);
    let tools = tools::write(page, &request.tools);
    wire::request::Request {
        system_instruction: (!system.is_empty())
            .then_some(Content { parts: Many(system), role: None }),
        contents: Some(Many(contents)),
        tool_config: tools::config(page, request, &tools),
        tools: (!tools.is_empty()).then_some(Many(tools)),
        ..wire::request::Request::default()
    }
}
