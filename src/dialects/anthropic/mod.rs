//! Anthropic Messages. <https://docs.anthropic.com/en/api/messages>

pub mod error;
pub mod request;
pub mod response;
pub mod stream;
pub mod wire;

use std::borrow::Cow;

use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use crate::ir::request::HostedKind;

/// Which tool of the provider's a block belongs to: `kind` is the block's type, `name` that of a `server_tool_use`.
fn hosted_kind(kind: &str, name: &str) -> HostedKind {
    let of = |name: &str| match name {
        "web_search" => HostedKind::WebSearch,
        "web_fetch" => HostedKind::WebFetch,
        "code_execution" | "bash_code_execution" | "text_editor_code_execution" => {
            HostedKind::CodeExecution
        }
        "mcp" => HostedKind::Mcp,
        _ => HostedKind::Other,
    };
    match kind {
        "server_tool_use" => of(name),
        "mcp_tool_use" => HostedKind::Mcp,
        _ => of(kind.strip_suffix("_tool_result").unwrap_or(kind)),
    }
}

/// Whether a block of this type tells what a tool of the provider's did.
fn is_hosted(kind: &str) -> bool {
    matches!(kind, "server_tool_use" | "mcp_tool_use") || kind.ends_with("_tool_result")
}

/// Whether an answer may hold a block of this type that the neutral form passes as it came.
fn is_own(kind: &str) -> bool {
    is_hosted(kind) || matches!(kind, COMPACTION | "fallback" | "container_upload")
}

/// What a `compaction` block is called in the neutral form: Responses has an item of that type, and another one.
const COMPACTION: &str = "compaction_block";

/// The name under which a loss of such an item is reported.
const fn hosted_name(kind: HostedKind) -> &'static str {
    match kind {
        HostedKind::WebSearch => "web_search",
        HostedKind::WebFetch => "web_fetch",
        HostedKind::CodeExecution => "code_execution",
        HostedKind::FileSearch => "file_search",
        HostedKind::Computer => "computer_use",
        HostedKind::Mcp => "mcp",
        HostedKind::ImageGeneration => "image_generation",
        HostedKind::Other => "hosted_tool",
    }
}

/// A call's id in the letters that the API takes (`^[a-zA-Z0-9_-]+$`), the same for a call and its result. What is
/// replaced is told apart by a hash.
fn legal_id(id: &str) -> Cow<'_, str> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !id.is_empty() && id.chars().all(is_legal) {
        return Cow::Borrowed(id);
    }
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(id).into();
    let legal: String = id.chars().map(|c| if is_legal(c) { c } else { '_' }).collect();
    Cow::Owned(format!("{legal}_{:08x}", u32::from_be_bytes([a, b, c, d])))
}

/// A call's arguments as the JSON object that `input` must be; `None` where they are none (cut short, or anything else).
fn input_object(arguments: &str) -> Option<Cow<'_, RawValue>> {
    if arguments.trim().is_empty() {
        return raw("{}".to_owned());
    }
    let value: &RawValue = serde_json::from_str(arguments).ok()?;
    match value.get() {
        object if object.starts_with('{') => Some(Cow::Borrowed(value)),
        // Some services say so where a call has no arguments.
        "null" => raw("{}".to_owned()),
        _ => None,
    }
}

/// JSON text that was made here.
fn raw(json: String) -> Option<Cow<'static, RawValue>> {
    RawValue::from_string(json).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(legal_id("toolu_01-a"), "toolu_01-a");
        let odd = legal_id("functions.get:0");
        assert!(odd.starts_with("functions_get_0_"));
        assert_eq!(odd, legal_id("functions.get:0"));
        assert_ne!(odd, legal_id("functions.get.0"));
        assert!(!legal_id("").is_empty());
    }

    #[test]
    fn inputs() {
        let cases = [
            ("", Some("{}")),
            ("null", Some("{}")),
            (" {\"a\": 1}\n", Some("{\"a\": 1}")),
            ("{\"a\"", None),
            ("[1]", None),
            ("\"a\"", None),
            ("free text", None),
        ];
        for (arguments, input) in cases {
            assert_eq!(input_object(arguments).as_deref().map(RawValue::get), input, "{arguments}");
        }
    }

    #[test]
    fn kinds() {
        assert_eq!(hosted_kind("server_tool_use", "web_search"), HostedKind::WebSearch);
        assert_eq!(hosted_kind("bash_code_execution_tool_result", ""), HostedKind::CodeExecution);
        assert_eq!(hosted_kind("mcp_tool_result", ""), HostedKind::Mcp);
        assert_eq!(hosted_kind("advisor_tool_result", ""), HostedKind::Other);
        assert!(is_hosted("web_search_tool_result") && !is_hosted("tool_result"));
    }
}
