//! Parts that come whole: media, and what Google does on its side (code that it runs, searches, pages that it reads).

use std::borrow::Cow;

use super::pieces;
use crate::dialects::gemini::request::media::standard_base64;
use crate::dialects::gemini::wire::part::{Part, ToolKind};
use crate::dialects::gemini::wire::{Raw, Str};
use crate::ir::event::Opening;
use crate::ir::request::{HostedItem, HostedKind};

/// An item as the ir has it: named by its key, with what stands under it.
pub(in crate::dialects::gemini) fn item<'a>(name: &'static str, raw: Raw<'a>) -> HostedItem<'a> {
    HostedItem { tool: kind(name, &raw), name: name.into(), raw: raw.0 }
}

/// An item as a part; `None` where it is another provider's.
pub(in crate::dialects::gemini) fn part<'r>(item: &'r HostedItem<'_>) -> Option<Part<'r>> {
    let raw = Some(Raw(pieces::compact(&item.raw)));
    let empty = Part::default();
    Some(match item.name.as_ref() {
        "executableCode" => Part { executable_code: raw, ..empty },
        "codeExecutionResult" => Part { code_execution_result: raw, ..empty },
        "toolCall" => Part { tool_call: raw, ..empty },
        "toolResponse" => Part { tool_response: raw, ..empty },
        _ => return None,
    })
}

/// The name under which a lost item is told.
pub(in crate::dialects::gemini) const fn name(kind: HostedKind) -> &'static str {
    match kind {
        HostedKind::WebSearch => "web_search",
        HostedKind::WebFetch => "web_fetch",
        HostedKind::CodeExecution => "code_execution",
        HostedKind::FileSearch => "file_search",
        HostedKind::Computer => "computer",
        HostedKind::Mcp => "mcp",
        HostedKind::ImageGeneration => "image_generation",
        HostedKind::Other => "hosted_item",
    }
}

fn kind(name: &str, raw: &Raw<'_>) -> HostedKind {
    match name {
        "executableCode" | "codeExecutionResult" => return HostedKind::CodeExecution,
        // An answer of a function in an answer: of a server of the Model Context Protocol.
        "functionResponse" => return HostedKind::Mcp,
        "webSearchQueries" => return HostedKind::WebSearch,
        "urlContextMetadata" => return HostedKind::WebFetch,
        _ => {}
    }
    let kind = serde_json::from_str::<ToolKind<'_>>(raw.0.get()).unwrap_or_default();
    match kind.tool_type.as_ref().map(|kind| kind.0.as_ref()) {
        Some("GOOGLE_SEARCH_WEB" | "GOOGLE_SEARCH_IMAGE") => HostedKind::WebSearch,
        Some("URL_CONTEXT") => HostedKind::WebFetch,
        Some("FILE_SEARCH") => HostedKind::FileSearch,
        _ => HostedKind::Other,
    }
}

/// The block that a part is in whole.
pub(super) fn opening(mut part: Part<'_>) -> Option<Opening<'_>> {
    if let Some((name, raw)) = part.take_hosted() {
        return Some(Opening::Hosted(item(name, raw)));
    }
    if let Some(response) = part.function_response {
        return hosted_raw("functionResponse", &response);
    }
    if let Some(file) = part.file_data {
        return hosted_raw("fileData", &file);
    }
    let blob = part.inline_data?;
    let mime = blob.mime_type.as_ref().map(|mime| mime.0.clone()).unwrap_or_default();
    let is_media = mime.starts_with("image/") || mime.starts_with("audio/");
    match blob.data {
        Some(Str(data)) if mime.starts_with("image/") => {
            Some(Opening::Image { mime, data: standard_base64(data) })
        }
        Some(Str(data)) if is_media => {
            Some(Opening::Audio { mime, data: standard_base64(data), transcript: None })
        }
        _ => hosted_raw("inlineData", &blob),
    }
}

fn hosted_raw<'a, T: serde::Serialize>(name: &'static str, value: &T) -> Option<Opening<'a>> {
    let raw = serde_json::value::to_raw_value(value).ok()?;
    Some(Opening::Hosted(item(name, Raw(Cow::Owned(raw)))))
}
