//! What the two OpenAI dialects have in common: tools, the choice among them, errors.

use http::StatusCode;
use serde_json::{Value, json};

use super::turn::{Choice, Input, Refusal, Turn, list};

/// Takes in the tools of a request, and what it says about calling them.
pub(super) fn tools(turn: &mut Turn, body: &Value) {
    for tool in list(&body["tools"]) {
        declare(turn, tool);
    }
    turn.sequential = body["parallel_tool_calls"] == false;
    let choice = &body["tool_choice"];
    let inner = flat(choice);
    turn.choice = match (choice.as_str(), choice["type"].as_str()) {
        (Some("none"), _) => Choice::Never,
        (Some("required"), _) => Choice::Any,
        (None, Some("function" | "custom")) => {
            Choice::Named(inner["name"].as_str().unwrap_or_default().to_owned())
        }
        (None, Some("allowed_tools")) => {
            let allowed = list(&inner["tools"]).iter();
            let names: Vec<_> = allowed.filter_map(|tool| flat(tool)["name"].as_str()).collect();
            turn.allow(&names);
            if inner["mode"] == "required" { Choice::Any } else { Choice::Auto }
        }
        (Some(_) | None, _) => Choice::Auto,
    };
}

/// Takes in one tool; those that a provider would run itself are left out.
pub(super) fn declare(turn: &mut Turn, tool: &Value) {
    let inner = flat(tool);
    match tool["type"].as_str() {
        Some("function") => turn.declare(inner, Input::Schema(inner["parameters"].clone())),
        Some("custom") => turn.declare(inner, Input::Text),
        Some(_) | None => {}
    }
}

/// <https://platform.openai.com/docs/guides/error-codes/api-errors>
pub(super) fn refusal(refusal: &Refusal, _id: &str) -> Value {
    let kind = match refusal.status {
        StatusCode::INTERNAL_SERVER_ERROR => "server_error",
        _ => "invalid_request_error",
    };
    json!({ "error": {
        "message": refusal.message,
        "type": kind,
        "param": refusal.param,
        "code": refusal.code,
    }})
}

/// Chat wraps in a field named by the type what Responses has beside the type.
fn flat(value: &Value) -> &Value {
    let wrapped = value["type"].as_str().map(|kind| &value[kind]);
    wrapped.filter(|inner| inner.is_object()).unwrap_or(value)
}
