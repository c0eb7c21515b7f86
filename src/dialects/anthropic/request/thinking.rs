//! How much the account is to think: the neutral amount, in the words of the model's family.

use super::model::{Model, Off, On};
use crate::dialects::anthropic::wire::write::{Block, Item, Message, Thinking};
use crate::ir::losses::Losses;
use crate::ir::request::{Amount, Effort, Reasoning};

/// The least that a budget may be.
/// <https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking>
const LEAST: u64 = 1024;

/// What the request says about thinking.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    /// `output_config.effort`.
    pub(super) effort: Option<&'static str>,
}

impl Plan {
    /// Whether the model is asked to think.
    pub(super) fn is_on(&self) -> bool {
        self.thinking.is_some_and(|thinking| matches!(thinking.kind, "enabled" | "adaptive"))
    }
}

/// Whether the API lets the model think here. With a budget it doesn't beside a forced call, behind the start of an answer,
/// or in a tool loop whose turn began without thinking (its proof was another provider's, or is lost). Adaptive thinking
/// has none of these limits. <https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking>
pub(super) fn allowed(
    model: Model,
    max_tokens: u64,
    is_forced: bool,
    messages: &[Message<'_>],
) -> bool {
    if model.thinking != On::Budget {
        return true;
    }
    let is_answered = messages.last().is_none_or(|last| last.role == "assistant");
    let last_answer = messages.iter().rfind(|message| message.role == "assistant");
    let is_loop = last_answer.is_some_and(|answer| {
        let calls = |item: &Item<'_>| matches!(item, Item::Block(Block::ToolUse { .. }));
        let thinks = matches!(
            answer.content.first(),
            Some(Item::Block(Block::Thinking { .. } | Block::RedactedThinking { .. }))
        );
        !thinks && answer.content.iter().any(calls)
    });
    max_tokens > LEAST && !is_forced && !is_answered && !is_loop
}

/// The neutral amount in the model's words.
pub(super) fn plan(
    reasoning: Reasoning,
    model: Model,
    max_tokens: u64,
    allowed: bool,
    losses: &mut Losses,
) -> Plan {
    match reasoning.amount {
        Amount::Unset => Plan::default(),
        Amount::Off => off(model, losses),
        Amount::Adaptive(_) | Amount::Effort(_) | Amount::Budget(_) if !allowed => {
            losses.drop("reasoning");
            Plan::default()
        }
        amount @ (Amount::Adaptive(_) | Amount::Effort(_) | Amount::Budget(_)) => {
            on(amount, reasoning.show, model, max_tokens)
        }
    }
}

fn on(amount: Amount, show: Option<bool>, model: Model, max_tokens: u64) -> Plan {
    let display = |show: bool| if show { "summarized" } else { "omitted" };
    if model.thinking == On::Budget {
        let budget_tokens = Some(budget(amount, max_tokens));
        // These models show their thoughts, unless told otherwise.
        let display = show.filter(|show| !show).map(display);
        let thinking = Thinking { kind: "enabled", budget_tokens, display };
        return Plan { thinking: Some(thinking), effort: None };
    }
    let thinking = Thinking { kind: "adaptive", budget_tokens: None, display: show.map(display) };
    Plan { thinking: Some(thinking), effort: effort(amount, model) }
}

fn off(model: Model, losses: &mut Losses) -> Plan {
    let kind = match model.off {
        Off::Disabled => "disabled",
        Off::BetweenTools => "between_tools",
        Off::Never => {
            losses.drop("reasoning");
            return Plan { thinking: None, effort: Some("low") };
        }
    };
    let thinking = Thinking { kind, budget_tokens: None, display: None };
    Plan { thinking: Some(thinking), effort: None }
}

/// A budget that leaves room for an answer: it must be below `max_tokens`, which counts both.
fn budget(amount: Amount, max_tokens: u64) -> u64 {
    let wanted = match amount {
        Amount::Budget(tokens) => tokens,
        Amount::Effort(effort) | Amount::Adaptive(Some(effort)) => match effort {
            Effort::Minimal => LEAST,
            Effort::Low => 2048,
            Effort::Medium => 8192,
            Effort::High => 16_384,
            Effort::ExtraHigh => 32_768,
            Effort::Max => 65_536,
        },
        Amount::Adaptive(None) | Amount::Unset | Amount::Off => 16_384,
    };
    let fits = if wanted < max_tokens { wanted } else { max_tokens / 5 * 4 };
    fits.max(LEAST)
}

/// Levels have other names here, and budgets none: a small one is a low effort.
fn effort(amount: Amount, model: Model) -> Option<&'static str> {
    let effort = match amount {
        Amount::Effort(effort) | Amount::Adaptive(Some(effort)) => effort,
        Amount::Budget(0..=4096) => Effort::Low,
        Amount::Budget(4097..=16_384) => Effort::Medium,
        Amount::Budget(_) => Effort::High,
        Amount::Adaptive(None) | Amount::Unset | Amount::Off => return None,
    };
    Some(match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::ExtraHigh if model.thinking == On::AdaptiveExtraHigh => "xhigh",
        Effort::High | Effort::ExtraHigh => "high",
        Effort::Max => "max",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, amount: Amount, max_tokens: u64) -> (String, Losses) {
        let mut losses = Losses::default();
        let reasoning = Reasoning { amount, show: Some(true) };
        let plan = plan(reasoning, Model::of(name), max_tokens, true, &mut losses);
        let thinking = serde_json::to_string(&plan.thinking).unwrap();
        (format!("{thinking} {}", plan.effort.unwrap_or("-")), losses)
    }

    #[test]
    fn amounts() {
        use Effort::{ExtraHigh, High, Low, Max, Minimal};
        let adaptive = r#"{"type":"adaptive","display":"summarized"}"#;
        let cases = [
            ("x", Amount::Unset, 8000, "null -".to_owned()),
            ("x", Amount::Off, 8000, r#"{"type":"disabled"} -"#.to_owned()),
            (
                "x",
                Amount::Effort(Minimal),
                8000,
                r#"{"type":"enabled","budget_tokens":1024} -"#.into(),
            ),
            (
                "x",
                Amount::Effort(High),
                64_000,
                r#"{"type":"enabled","budget_tokens":16384} -"#.into(),
            ),
            (
                "x",
                Amount::Effort(High),
                2000,
                r#"{"type":"enabled","budget_tokens":1600} -"#.into(),
            ),
            ("x", Amount::Budget(5), 2000, r#"{"type":"enabled","budget_tokens":1024} -"#.into()),
            (
                "x",
                Amount::Budget(1999),
                2000,
                r#"{"type":"enabled","budget_tokens":1999} -"#.into(),
            ),
            ("claude-opus-4-6", Amount::Adaptive(None), 9, format!("{adaptive} -")),
            ("claude-opus-4-6", Amount::Effort(ExtraHigh), 9, format!("{adaptive} high")),
            ("claude-opus-4-6", Amount::Effort(Max), 9, format!("{adaptive} max")),
            ("claude-opus-4-7", Amount::Adaptive(Some(ExtraHigh)), 9, format!("{adaptive} xhigh")),
            ("claude-opus-4-7", Amount::Effort(Low), 9, format!("{adaptive} low")),
            ("claude-opus-4-7", Amount::Budget(9000), 9, format!("{adaptive} medium")),
            ("claude-opus-5-5", Amount::Off, 9, "null low".to_owned()),
            ("claude-sonnet-5-5", Amount::Off, 9, r#"{"type":"between_tools"} -"#.to_owned()),
        ];
        for (name, amount, max_tokens, expected) in cases {
            let (said, losses) = told(name, amount, max_tokens);
            assert_eq!(said, expected, "{name} {amount:?}");
            assert_eq!(losses.is_empty(), name != "claude-opus-5-5");
        }
    }
}
