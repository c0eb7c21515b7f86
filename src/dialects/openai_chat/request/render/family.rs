//! What a model's name says of the fields that its endpoint takes: OpenAI and the compatible providers differ.

use crate::ir::request::Effort;

/// A model's habits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    pub(super) vendor: Vendor,
    /// Whether `thinking: {"type": …}` turns thinking on and off.
    pub(super) switch: bool,
    /// The words of `reasoning_effort`, where it has that field.
    pub(super) levels: Option<Levels>,
}

/// Whose rules for a request's fields hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Vendor {
    /// OpenAI itself: the whole API, and a 400 for any field beyond it.
    OpenAi,
    /// Refuses (422) every field that it does not document.
    Mistral,
    /// Compatible with what OpenAI's API was in 2023, and lenient.
    Other,
}

/// The efforts that a model knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    /// The word for no thinking.
    pub(super) off: Option<&'static str>,
    /// From which effort on which word is said, in rising order.
    words: &'static [(Effort, &'static str)],
}

impl Levels {
    /// The nearest word for an effort.
    pub(super) fn word(self, effort: Effort) -> &'static str {
        let below = self.words.iter().rev().find(|(from, _)| *from <= effort);
        below.or_else(|| self.words.first()).map_or("medium", |(_, word)| word)
    }
}

const LOW_TO_HIGH: &[(Effort, &str)] =
    &[(Effort::Minimal, "low"), (Effort::Medium, "medium"), (Effort::High, "high")];
const MINIMAL_TO_HIGH: &[(Effort, &str)] = &[
    (Effort::Minimal, "minimal"),
    (Effort::Low, "low"),
    (Effort::Medium, "medium"),
    (Effort::High, "high"),
];
const LOW_TO_EXTRA: &[(Effort, &str)] = &[
    (Effort::Minimal, "low"),
    (Effort::Medium, "medium"),
    (Effort::High, "high"),
    (Effort::ExtraHigh, "xhigh"),
];
/// <https://api-docs.deepseek.com/guides/thinking_mode>, <https://platform.kimi.ai/docs/guide/use-thinking-effort>
const LOW_HIGH_MAX: &[(Effort, &str)] =
    &[(Effort::Minimal, "low"), (Effort::Medium, "high"), (Effort::Max, "max")];
/// <https://docs.mistral.ai/capabilities/reasoning/adjustable>
const HIGH: &[(Effort, &str)] = &[(Effort::Minimal, "high")];

impl Family {
    /// The family of a model, by the account's name for it.
    pub(super) fn of(model: &str) -> Self {
        let name = model.strip_prefix("ft:").unwrap_or(model);
        let other = |switch, levels| Self { vendor: Vendor::Other, switch, levels };
        let three = Some(Levels { off: None, words: LOW_HIGH_MAX });
        if is_openai(name) {
            Self { vendor: Vendor::OpenAi, switch: false, levels: openai_levels(name) }
        } else if is_mistral(name) {
            let levels = Some(Levels { off: Some("none"), words: HIGH });
            Self { vendor: Vendor::Mistral, switch: false, levels }
        } else if name.starts_with("glm-") || name.starts_with("deepseek-") {
            // <https://docs.z.ai/guides/capabilities/thinking-mode>
            other(true, three)
        } else if name.starts_with("kimi-k2") {
            other(true, None)
        } else if name.starts_with("kimi-") {
            other(false, three)
        } else {
            other(false, Some(Levels { off: Some("none"), words: LOW_TO_HIGH }))
        }
    }

    /// OpenAI's web search models. <https://platform.openai.com/docs/guides/tools-web-search?api-mode=chat>
    pub(super) fn searches(self, model: &str) -> bool {
        self.vendor == Vendor::OpenAi && model.contains("-search-")
    }
}

fn is_openai(name: &str) -> bool {
    let o_series = name
        .strip_prefix('o')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    o_series
        || name.starts_with("chatgpt-")
        || name.starts_with("codex-")
        || name.starts_with("gpt-") && !name.starts_with("gpt-oss")
}

fn is_mistral(name: &str) -> bool {
    ["mistral-", "ministral-", "magistral-", "devstral-", "codestral-", "pixtral-", "voxtral-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// <https://platform.openai.com/docs/guides/reasoning>; `None`: the model does not reason.
fn openai_levels(name: &str) -> Option<Levels> {
    let codex = name.contains("codex");
    if name.starts_with("chatgpt-") || name.contains("-chat") {
        return None;
    }
    let Some(version) = name.strip_prefix("gpt-") else {
        return Some(Levels { off: None, words: LOW_TO_HIGH });
    };
    let off = (!codex).then_some("none");
    let words = match version_of(version) {
        (..5, _) => return None,
        (5, 0) if codex => LOW_TO_HIGH,
        (5, 0) => return Some(Levels { off: None, words: MINIMAL_TO_HIGH }),
        (5, 1) if !name.contains("max") => LOW_TO_HIGH,
        _ => LOW_TO_EXTRA,
    };
    Some(Levels { off, words })
}

/// `5.2-pro` is (5, 2), `4o` is (4, 0).
fn version_of(version: &str) -> (u32, u32) {
    let number = |text: &str| {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        (text.get(..digits).and_then(|text| text.parse().ok()).unwrap_or(0), digits)
    };
    let (major, digits) = number(version);
    let minor = version.get(digits..).and_then(|rest| rest.strip_prefix('.'));
    (major, minor.map_or(0, |minor| number(minor).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efforts_by_model() {
        for (model, off, minimal, max) in [
            ("gpt-5", None, "minimal", "high"),
            ("gpt-5-mini-2025-08-07", None, "minimal", "high"),
            ("gpt-5-codex", None, "low", "high"),
            ("gpt-5.1", Some("none"), "low", "high"),
            ("gpt-5.1-codex-max", None, "low", "xhigh"),
            ("gpt-5.4", Some("none"), "low", "xhigh"),
            ("gpt-6-sol", Some("none"), "low", "xhigh"),
            ("o3-mini", None, "low", "high"),
            ("mistral-small-latest", Some("none"), "high", "high"),
            ("glm-5", None, "low", "max"),
            ("openai/gpt-5", Some("none"), "low", "high"),
            ("gpt-oss-120b", Some("none"), "low", "high"),
        ] {
            let levels = Family::of(model).levels.unwrap();
            assert_eq!(levels.off, off, "{model}");
            assert_eq!(levels.word(Effort::Minimal), minimal, "{model}");
            assert_eq!(levels.word(Effort::Max), max, "{model}");
        }
        for model in ["gpt-4o", "gpt-4.1", "gpt-3.5-turbo", "gpt-5-chat-latest", "kimi-k2.6"] {
            assert!(Family::of(model).levels.is_none(), "{model}");
        }
    }

    #[test]
    fn vendors() {
        for model in ["gpt-4o", "o1", "o4-mini", "chatgpt-4o-latest", "ft:gpt-4o:us", "gpt-9"] {
            assert_eq!(Family::of(model).vendor, Vendor::OpenAi, "{model}");
        }
        for model in ["opus", "openai/gpt-4o", "gpt-oss-20b", "oc.ok", "glm-4.7", "o", "olmo-2"] {
            assert_eq!(Family::of(model).vendor, Vendor::Other, "{model}");
        }
        assert!(Family::of("gpt-4o-mini-search-preview").searches("gpt-4o-mini-search-preview"));
        assert!(!Family::of("gpt-4o").searches("gpt-4o"));
    }
}
