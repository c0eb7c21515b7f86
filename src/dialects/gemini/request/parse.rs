//! A client's request as the ir has it.

mod config;
mod locate;
mod medium;
mod tools;
mod turns;

use serde_json::de::SliceRead;

use crate::dialects::gemini::wire;
use crate::dialects::{Path, unread};
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::request::{ReplyForm, Request, Role};

/// Fields that say nothing another provider could miss: the model stands in the path.
const NEEDLESS: [&str; 1] = ["model"];

/// Reads the body; model and stream stand in the path.
pub(super) fn request<'a>(body: &'a [u8], path: Path<'a>) -> Result<Request<'a>, Error> {
    let mut unread = Losses::default();
    let mut wire: wire::request::Request<'a> =
        unread::read(SliceRead::new(body), &NEEDLESS, &mut unread)
            .map_err(|error| locate::bad_request(body, &error))?;
    if let Some(wrapped) = wire.wrapped.take() {
        wire = *wrapped;
    }
    let mut request = Request {
        model: path.model.into(),
        stream: path.stream,
        reply: ReplyForm { array_stream: path.array_stream, ..ReplyForm::default() },
        service_tier: wire.service_tier.take().map(|tier| tier.0),
        unsaid: unread,
        ..Request::default()
    };
    note_unsaid(&wire, &mut request.unsaid);
    let contents = wire.contents.map(|contents| contents.0).unwrap_or_default();
    if contents.is_empty() {
        return Err(Error::invalid("contents", "contents must hold at least one content"));
    }
    let mut conversation = turns::Conversation::new(&mut request.unsaid);
    if let Some(system) = wire.system_instruction {
        conversation.push_system(system)?;
    }
    for (index, content) in contents.into_iter().enumerate() {
        conversation.push(index, content)?;
    }
    request.turns = conversation.into_turns();
    if request.turns.iter().all(|turn| turn.role == Role::System) {
        return Err(Error::invalid("contents", "contents must hold a part that says something"));
    }
    for tool in wire.tools.map(|tools| tools.0).unwrap_or_default() {
        tools::push(&mut request, tool);
    }
    if let Some(config) = wire.tool_config {
        tools::choose(&mut request, config)?;
    }
    if let Some(config) = wire.generation_config {
        config::take(&mut request, config)?;
    }
    Ok(request)
}

/// What the ir has no words for.
fn note_unsaid(wire: &wire::request::Request<'_>, unsaid: &mut Losses) {
    unsaid.drop_some(&wire.safety_settings, "safetySettings");
    unsaid.drop_some(&wire.model_armor_config, "modelArmorConfig");
    unsaid.drop_some(&wire.labels, "labels");
    unsaid.drop_some(&wire.store, "store");
    if let Some(cached) = &wire.cached_content {
        let reason = format!(
            "the cached content {:?} is kept by Google and means nothing elsewhere",
            cached.0
        );
        unsaid.refuse("cachedContent", reason);
    }
}
