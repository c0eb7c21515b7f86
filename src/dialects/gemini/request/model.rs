//! What a Gemini model's name says about what the model takes.

use crate::dialects::gemini::wire::request::ThinkingConfig;
use crate::dialects::gemini::wire::{Int, Word};
use crate::ir::request::{Amount, Effort, Reasoning};

/// A model, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// `(2, 5)` of `gemini-2.5-pro`; `None` where the name is none of Google's.
    version: Option<(u32, u32)>,
    thinking: Thinking,
}

/// How a model is told how much to think. <https://ai.google.dev/gemini-api/docs/thinking>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thinking {
    /// It cannot, and refuses a request that speaks of it.
    Never,
    /// In tokens (Gemini 2.5): from, to, and whether 0 switches it off.
    Budget { least: u64, most: u64, can_be_off: bool },
    /// By a level (Gemini 3): the lowest, and the middle one where it has one.
    Level { lowest: Level, middle: Level },
}

/// A thinking level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Minimal,
    Low,
    Medium,
    High,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Minimal => "MINIMAL",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
        }
    }
}

impl Model {
    /// Reads a name, with or without `models/` before it.
    pub(super) fn of(name: &str) -> Self {
        let name = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
        let version = version(&name);
        let pro = name.contains("pro");
        let thinking = match version {
            // An alias or another maker's model behind Google's protocol: the older form is the one most of them take.
            None if name.starts_with("gemma") => Thinking::Never,
            None => Thinking::Budget { least: 1, most: u64::MAX, can_be_off: true },
            Some((3.., _)) => Thinking::Level {
                lowest: if pro { Level::Low } else { Level::Minimal },
                middle: if pro && version == Some((3, 0)) { Level::High } else { Level::Medium },
            },
            Some((2, 5)) if name.contains("-image") || name.contains("-tts") => Thinking::Never,
            Some((2, 5)) if pro => Thinking::Budget { least: 128, most: 32_768, can_be_off: false },
            Some((2, 5)) if name.contains("lite") => {
                Thinking::Budget { least: 512, most: 24_576, can_be_off: true }
            }
            Some((2, 5)) => Thinking::Budget { least: 1, most: 24_576, can_be_off: true },
            Some(_) => Thinking::Never,
        };
        Self { version, thinking }
    }

    /// Gemini 3 and later: functions may answer with media, calls must come back with their signatures, and functions stand
    /// beside Google's own tools.
    pub(super) fn is_third_generation(self) -> bool {
        self.version.is_some_and(|(major, _)| major >= 3)
    }

    /// Whether a medium may be a public web address: all but the families before 2.5.
    /// <https://ai.google.dev/gemini-api/docs/file-input-methods#external-urls>
    pub(super) fn takes_urls(self) -> bool {
        self.version.is_none_or(|version| version >= (2, 5))
    }

    /// The settings for an amount of thinking, and whether it could be said as it was meant.
    pub(super) fn thinking_config(
        self,
        reasoning: Reasoning,
        max_output: Option<u64>,
    ) -> (Option<ThinkingConfig<'static>>, bool) {
        let on = !matches!(reasoning.amount, Amount::Unset | Amount::Off);
        let mut config = ThinkingConfig {
            // "Shows thoughts" alone does not ask for more of them.
            include_thoughts: (reasoning.show == Some(true) || on && reasoning.show.is_none())
                .then_some(true)
                .filter(|_| reasoning.amount != Amount::Off),
            ..ThinkingConfig::default()
        };
        let exact = match self.thinking {
            Thinking::Never => return (None, !on),
            Thinking::Budget { least, most, can_be_off } => {
                let range = (least, most, can_be_off);
                let (budget, exact) = budget(reasoning.amount, range, max_output);
                config.thinking_budget = budget.map(Int);
                exact
            }
            Thinking::Level { lowest, middle } => {
                let level = level(reasoning.amount, lowest, middle);
                config.thinking_level = level.map(|level| Word::Name(level.name().into()));
                reasoning.amount != Amount::Off
            }
        };
        let said = config.include_thoughts.is_some()
            || config.thinking_budget.is_some()
            || config.thinking_level.is_some();
        (said.then_some(config), exact)
    }
}

/// The version in `gemini-2.5-flash`. Google's bare aliases (`gemini-flash-latest`) follow its newest family.
fn version(name: &str) -> Option<(u32, u32)> {
    let rest = name.strip_prefix("gemini-")?;
    if rest.ends_with("-latest") && !rest.starts_with(|c: char| c.is_ascii_digit()) {
        return Some((3, 1));
    }
    let number = rest.split('-').next().unwrap_or(rest);
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `-1` leaves the amount to the model.
const DYNAMIC: i64 = -1;

fn budget(
    amount: Amount,
    (least, most, can_be_off): (u64, u64, bool),
    max_output: Option<u64>,
) -> (Option<i64>, bool) {
    let tokens = |tokens: u64| Some(i64::try_from(tokens.clamp(least, most)).unwrap_or(i64::MAX));
    match amount {
        Amount::Unset => (None, true),
        Amount::Off if can_be_off => (Some(0), true),
        Amount::Off => (tokens(least), false),
        Amount::Adaptive(None | Some(Effort::High | Effort::ExtraHigh | Effort::Max)) => {
            (Some(DYNAMIC), true)
        }
        Amount::Adaptive(Some(effort)) | Amount::Effort(effort) => {
            // maxOutputTokens counts the thoughts too: an amount of our own making leaves a quarter for the answer.
            let room = max_output.map_or(u64::MAX, |limit| limit - limit / 4);
            (tokens(effort_budget(effort).min(room)), true)
        }
        Amount::Budget(budget) => (tokens(budget), true),
    }
}

/// Google's own table for OpenAI's `reasoning_effort`; its ends are ours.
/// <https://ai.google.dev/gemini-api/docs/openai#thinking>
const fn effort_budget(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal => 512,
        Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High => 24_576,
        Effort::ExtraHigh | Effort::Max => 32_768,
    }
}

fn level(amount: Amount, lowest: Level, middle: Level) -> Option<Level> {
    let effort = match amount {
        // Left to the model: its default is what it sees fit.
        Amount::Unset | Amount::Adaptive(None) => return None,
        Amount::Off => return Some(lowest),
        Amount::Adaptive(Some(effort)) | Amount::Effort(effort) => effort,
        Amount::Budget(..=511) => Effort::Minimal,
        Amount::Budget(512..=4095) => Effort::Low,
        Amount::Budget(4096..=16_383) => Effort::Medium,
        Amount::Budget(_) => Effort::High,
    };
    Some(match effort {
        Effort::Minimal => lowest,
        Effort::Low => Level::Low,
        Effort::Medium => middle,
        Effort::High | Effort::ExtraHigh | Effort::Max => Level::High,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(model: &str, amount: Amount, show: Option<bool>) -> (Option<String>, bool) {
        let (config, exact) =
            Model::of(model).thinking_config(Reasoning { amount, show }, Some(64_000));
        (config.map(|config| serde_json::to_string(&config).unwrap()), exact)
    }

    #[test]
    fn each_family_has_its_own_form() {
        let high = Amount::Effort(Effort::High);
        let minimal = Amount::Effort(Effort::Minimal);
        let medium = Amount::Effort(Effort::Medium);
        for (model, amount, config, exact) in [
            ("gemini-2.5-flash", high, r#""thinkingBudget":24576"#, true),
            ("models/gemini-2.5-pro", Amount::Off, r#"{"thinkingBudget":128}"#, false),
            ("gemini-2.5-flash", Amount::Off, r#"{"thinkingBudget":0}"#, true),
            ("gemini-2.5-flash-lite", Amount::Budget(3), r#""thinkingBudget":512"#, true),
            ("gemini-2.5-flash", Amount::Budget(32_000), r#""thinkingBudget":24576"#, true),
            ("gemini-2.5-flash", Amount::Adaptive(None), r#""thinkingBudget":-1"#, true),
            ("gemini-3-pro-preview", minimal, r#""thinkingLevel":"LOW""#, true),
            ("gemini-3-pro-preview", medium, r#""thinkingLevel":"HIGH""#, true),
            ("gemini-3.1-pro-preview", medium, r#""thinkingLevel":"MEDIUM""#, true),
            ("gemini-3-flash", minimal, r#""thinkingLevel":"MINIMAL""#, true),
            ("gemini-flash-latest", Amount::Budget(2000), r#""thinkingLevel":"LOW""#, true),
            ("gemini-3-flash", Amount::Off, r#"{"thinkingLevel":"MINIMAL"}"#, false),
            ("gemini-3-pro", Amount::Off, r#"{"thinkingLevel":"LOW"}"#, false),
            ("my-own-model", Amount::Off, r#"{"thinkingBudget":0}"#, true),
            ("my-own-model", Amount::Budget(50_000), r#""thinkingBudget":50000"#, true),
        ] {
            let (text, was_exact) = said(model, amount, None);
            let text = text.unwrap_or_default();
            assert!(text.contains(config), "{model} {amount:?}: {text}");
            assert!(!(text.contains("Budget") && text.contains("Level")), "{text}");
            assert_eq!(was_exact, exact, "{model} {amount:?}");
        }
    }

    #[test]
    fn models_that_cannot_think_are_not_told_to() {
        for model in ["gemini-2.0-flash", "gemini-1.5-pro", "gemma-3-27b-it"] {
            assert_eq!(said(model, Amount::Effort(Effort::High), None), (None, false));
            assert_eq!(said(model, Amount::Off, None), (None, true));
        }
    }

    #[test]
    fn thoughts_are_shown_unless_hidden() {
        let shown = r#"{"includeThoughts":true}"#.to_owned();
        assert_eq!(said("gemini-3-flash", Amount::Unset, Some(true)).0, Some(shown.clone()));
        assert_eq!(said("gemini-3-flash", Amount::Adaptive(None), None).0, Some(shown));
        assert_eq!(said("gemini-3-flash", Amount::Unset, None).0, None);
        let hidden = said("gemini-2.5-pro", Amount::Budget(1000), Some(false)).0.unwrap();
        assert_eq!(hidden, r#"{"thinkingBudget":1000}"#);
    }

    #[test]
    fn a_budget_of_ours_leaves_room_for_the_answer() {
        let effort = Reasoning { amount: Amount::Effort(Effort::High), show: None };
        let (config, _) = Model::of("x").thinking_config(effort, Some(2000));
        assert_eq!(config.unwrap().thinking_budget, Some(Int(1500)));
    }
}
