//! Which models think, and how much they can be told to.

use serde::Serialize;

use crate::ir::losses::Losses;
use crate::ir::request::{Amount, Effort, Reasoning};

/// `reasoning`.
#[derive(Serialize)]
pub(super) struct ReasoningOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'static str>,
}

/// How much to think and whether to show it.
pub(super) fn reasoning(
    reasoning: Reasoning,
    model: &str,
    losses: &mut Losses,
) -> Option<ReasoningOut> {
    if !reasons(model) {
        // Such a model answers the field itself with a 400.
        if !matches!(reasoning.amount, Amount::Unset | Amount::Off) {
            losses.drop("reasoning");
        }
        return None;
    }
    let effort = match reasoning.amount {
        Amount::Unset => None,
        Amount::Off => off(model),
        // The newest models do not think unless told to.
        Amount::Adaptive(effort) => Some(effort.map_or("medium", effort_word)),
        Amount::Effort(effort) => Some(effort_word(effort)),
        Amount::Budget(tokens) => Some(budget_word(tokens)),
    };
    let summary = (reasoning.show == Some(true)).then_some("auto");
    (effort.is_some() || summary.is_some()).then_some(ReasoningOut { effort, summary })
}

const fn effort_word(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::ExtraHigh => "xhigh",
        Effort::Max => "max",
    }
}

/// The level that a budget of tokens stands for: the bounds lie between the budgets that the levels are given elsewhere.
const fn budget_word(tokens: u64) -> &'static str {
    match tokens {
        0..=2047 => "low",
        2048..=10_239 => "medium",
        _ => "high",
    }
}

/// The least thinking that a model can be held to: the first reasoning models know no `none`.
/// <https://platform.openai.com/docs/guides/reasoning>
fn off(model: &str) -> Option<&'static str> {
    let model = family(model);
    let gpt_5 = model.strip_prefix("gpt-5").is_some_and(|rest| !rest.starts_with('.'));
    match model {
        _ if ["o1", "o3", "o4"].iter().any(|prefix| model.starts_with(prefix)) => Some("low"),
        _ if gpt_5 && model.contains("-pro") => None,
        _ if gpt_5 && model.contains("-codex") => Some("low"),
        _ if gpt_5 => Some("minimal"),
        _ => Some("none"),
    }
}

/// Whether the model reasons, or may. OpenAI's older models do not, and refuse whatever speaks of it.
pub(super) fn reasons(model: &str) -> bool {
    const PLAIN: [&str; 6] = ["gpt-3", "gpt-4", "chatgpt-", "gpt-5-chat", "davinci", "babbage"];
    let model = family(model);
    !PLAIN.iter().any(|prefix| model.starts_with(prefix))
}

/// The model's own name, without the words of those who pass it on (`openai/`, `openai.`) or tuned it (`ft:`).
fn family(model: &str) -> &str {
    let model = model.rsplit('/').next().unwrap_or(model);
    let model = model.strip_prefix("openai.").unwrap_or(model);
    model.strip_prefix("ft:").unwrap_or(model)
}
