//! OpenAI Responses. <https://platform.openai.com/docs/api-reference/responses>

pub mod error;
pub mod request;
pub mod response;
pub mod stream;
pub mod wire;

use memchr::memchr2;

use crate::ir::request::{HostedItem, HostedKind};
use crate::json;

/// The namespace that OpenAI's own client-run tools (`shell`, `apply_patch` …) have in the ir. To the other dialects they
/// are functions like any other; here they are told from a client's function of the same name. A real namespace has no colon.
pub const BUILT_IN: &str = "openai:";

/// Which provider-run tool an item of this type belongs to.
fn hosted_kind(item_type: &str) -> HostedKind {
    match item_type {
        "web_search_call" => HostedKind::WebSearch,
        "file_search_call" => HostedKind::FileSearch,
        "code_interpreter_call" | "shell_call" | "shell_call_output" => HostedKind::CodeExecution,
        "computer_call" | "computer_call_output" => HostedKind::Computer,
        "image_generation_call" => HostedKind::ImageGeneration,
        name if name.starts_with("mcp_") => HostedKind::Mcp,
        _ => HostedKind::Other,
    }
}

/// Whether an item of the provider's doing is of this dialect: then it stands in an output or an input as it came.
fn is_own_item(item: &HostedItem<'_>) -> bool {
    // Anthropic has a block of this name, too.
    let own = item.name != "compaction" || item.raw.get().contains("\"encrypted_content\"");
    own && OWN_ITEMS.contains(&item.name.as_ref())
}

/// The types of such items.
const OWN_ITEMS: [&str; 23] = [
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "computer_call",
    "computer_call_output",
    "custom_tool_call_output",
    "file_search_call",
    "function_call_output",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

/// Appends a value as JSON. Nothing that is written here can fail to be: maps have text keys, and a buffer takes all.
fn json<T: serde::Serialize>(value: &T, out: &mut Vec<u8>) {
    let start = out.len();
    if json::write::value(value, out).is_err() {
        out.truncate(start);
        out.extend_from_slice(b"null");
    }
}

/// Puts JSON on one line, as an event's data is: what is carried as it came may be spread over several. Within strings JSON
/// writes line ends as escapes, so that these stand between its words.
fn one_line(json: &mut [u8]) {
    let mut rest = json;
    while let Some(at) = memchr2(b'\n', b'\r', rest) {
        let (_, behind) = rest.split_at_mut(at);
        let Some((byte, behind)) = behind.split_first_mut() else { break };
        *byte = b' ';
        rest = behind;
    }
}

/// SHA-256 in hexadecimal digits.
fn hash(text: &str) -> String {
    use std::fmt::Write as _;

    use sha2::{Digest as _, Sha256};

    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
