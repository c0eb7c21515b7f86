//! The demo's model lists. Any other name is answered too: none of them is a model.

use serde_json::{Value, json};

use crate::dialects::Dialect;

/// Names that each SDK's examples use, and the demo's own.
const NAMES: [&str; 4] = ["levity-demo", "gemini-3-flash", "gpt-5.5", "claude-sonnet-4-5"];
/// The first day of 2026: lists need some day.
const CREATED: u64 = 1_767_225_600;

/// All models.
pub(super) fn list(dialect: Dialect) -> Value {
    let models: Vec<_> = NAMES.iter().map(|name| show(dialect, name)).collect();
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json!({ "object": "list", "data": models })
        }
        Dialect::Anthropic => json!({
            "data": models,
            "has_more": false,
            "first_id": NAMES.first(),
            "last_id": NAMES.last(),
        }),
        Dialect::Gemini => json!({ "models": models }),
    }
}

/// One model.
pub(super) fn show(dialect: Dialect, name: &str) -> Value {
    let title = format!("{name} (Levity demo, no model)");
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => {
            json!({ "id": name, "object": "model", "created": CREATED, "owned_by": "levity-demo" })
        }
        Dialect::Anthropic => {
            let created = "2026-01-01T00:00:00Z";
            json!({ "type": "model", "id": name, "display_name": title, "created_at": created })
        }
        Dialect::Gemini => json!({
            "name": format!("models/{name}"),
            "version": "demo",
            "displayName": title,
            "description": "Repeats what it is told.",
            "inputTokenLimit": 1_048_576,
            "outputTokenLimit": 65_536,
            "supportedGenerationMethods": [
                "generateContent",
                "streamGenerateContent",
                "countTokens",
                "embedContent",
                "batchEmbedContents",
            ],
        }),
    }
}
