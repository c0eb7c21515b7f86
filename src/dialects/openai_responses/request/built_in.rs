//! Calls of OpenAI's own client-run tools and their answers, on their way to an account: items of their own.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::history::plain;
use crate::dialects::openai_responses::wire::input::{
    InputItem, ShellOutcome, ShellOutput, ShellText,
};
use crate::ir::request::{Part, ToolCall, ToolResult};

/// `None` where the arguments are not what the tool's item holds.
pub(super) fn call<'r>(call: &'r ToolCall<'r>, call_id: Cow<'r, str>) -> Option<InputItem<'r>> {
    let arguments: &'r RawValue = serde_json::from_str(&call.arguments).ok()?;
    let status = "completed";
    match call.name.as_ref() {
        "local_shell" => {
            let id = Cow::Owned(format!("lsh_{call_id}"));
            Some(InputItem::LocalShellCall { id, call_id, action: arguments, status })
        }
        "shell" => Some(InputItem::ShellCall { call_id, action: arguments, status }),
        "apply_patch" => Some(InputItem::ApplyPatchCall { call_id, operation: arguments, status }),
        "tool_search" => {
            Some(InputItem::ToolSearchCall { call_id, execution: "client", arguments, status })
        }
        _ => None,
    }
}

/// `None` where the tool is not known.
pub(super) fn output<'r>(
    name: &str,
    call_id: Cow<'r, str>,
    result: &'r ToolResult<'r>,
) -> Option<InputItem<'r>> {
    let texts: Vec<&str> = result.parts.iter().filter_map(plain).collect();
    let text: Cow<'r, str> = match result.parts.as_slice() {
        [Part::Text(text)] => Cow::Borrowed(text),
        _ => Cow::Owned(texts.join("\n")),
    };
    let list = match result.parts.as_slice() {
        [Part::Text(text)] if text.starts_with('[') => serde_json::from_str(text).ok(),
        _ => None,
    };
    match name {
        "local_shell" => Some(InputItem::LocalShellCallOutput { id: call_id, output: text }),
        "shell" => {
            let output =
                list.map_or_else(|| ShellOutput::Text([shell_text(text)]), ShellOutput::Raw);
            Some(InputItem::ShellCallOutput { call_id, output })
        }
        "apply_patch" => {
            let status = if result.failed { "failed" } else { "completed" };
            Some(InputItem::ApplyPatchCallOutput { call_id, status, output: text })
        }
        "tool_search" => {
            let tools = list?;
            let (execution, status) = ("client", "completed");
            Some(InputItem::ToolSearchOutput { call_id, execution, tools, status })
        }
        _ => None,
    }
}

fn shell_text(stdout: Cow<'_, str>) -> ShellText<'_> {
    ShellText { stdout, stderr: "", outcome: ShellOutcome { kind: "exit", exit_code: 0 } }
}
