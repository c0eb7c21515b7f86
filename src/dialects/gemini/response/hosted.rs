//! What Google does on its side: code that it runs, searches, pages that it reads.

use super::pieces;
use crate::dialects::gemini::wire::Raw;
use crate::dialects::gemini::wire::part::{Part, ToolKind};
use crate::ir::request::{HostedItem, HostedKind};

/// An item as the ir has it: named by its key, with what stands under it.
pub(in crate::dialects::gemini) fn item<'a>(name: &'static str, raw: Raw<'a>) -> HostedItem<'a> {
    HostedItem { tool: kind(name, &raw), name: name.into(), raw: raw.0 }
}

/// An item as a part; `None` where it is another provider's.
pub(in crate::dialects::gemini) fn part<'r>(item: &'r HostedItem<'_>) -> Option<Part<'r>> {
    let raw = Some(Raw(pieces::one_line(&item.raw)));
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
