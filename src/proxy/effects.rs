//! Whether a request may be made twice: it acts on nothing, and leans on nothing that one account keeps.

use super::attempt::whole_request;
use super::exchange::Call;
use crate::dialects::{self, Path};
use crate::ir::request::{Part, Request, Source, Tool, ToolChoice};
use crate::store::resolve::{Resolution, Turn};

/// Whether a request goes on from nothing that was answered before, by the gateway or by an account.
pub fn leans_on_nothing(call: &Call) -> bool {
    let is_new = |turn: &Turn| turn.resolution == Resolution::AsIs && turn.previous().is_none();
    call.unresolved.is_none() && call.turn.as_ref().is_none_or(is_new)
}

/// Whether nothing happens twice when two accounts are asked, and either can. What the gateway cannot read is not asked
/// twice. The whole request is read for this.
pub fn may_be_asked_twice(call: &Call) -> bool {
    let path = Path { model: &call.asked, stream: call.stream, array_stream: call.array_stream() };
    let body = whole_request(call);
    dialects::parse_request(call.dialect, &body, path)
        .is_ok_and(|request| !acts(&request) && !is_bound(&request))
}

/// Whether the provider does something, beside answering in words.
fn acts(request: &Request<'_>) -> bool {
    let is_hosted = |tool: &Tool<'_>| matches!(tool, Tool::Hosted(_));
    request.tools.iter().any(is_hosted) || matches!(request.tool_choice, ToolChoice::Hosted(_))
}

/// Whether it names what one provider keeps, or asks for what is that provider's own: an answer in the background, a
/// container, an image, a voice. Those are what no translation takes.
fn is_bound(request: &Request<'_>) -> bool {
    let parts = request.turns.iter().flat_map(|turn| &turn.parts);
    !request.unsaid.refused.is_empty() || parts.into_iter().any(names_a_file)
}

fn names_a_file(part: &Part<'_>) -> bool {
    let source = match part {
        Part::Image(image) => &image.source,
        Part::File(file) => &file.source,
        Part::Audio(media) | Part::Video(media) => &media.source,
        Part::ToolResult(result) => return result.parts.iter().any(names_a_file),
        Part::Text(_)
        | Part::Refusal(_)
        | Part::Reasoning(_)
        | Part::ToolCall(_)
        | Part::Hosted(_) => return false,
    };
    matches!(source, Source::FileId(_))
}
