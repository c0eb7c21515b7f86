//! What a model takes, where the families differ: the API answers 400 to what a family does not know.
//! <https://docs.anthropic.com/en/docs/about-claude/models/overview>, and the migration guide of each model.

/// What a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Model {
    /// Tokens of an answer at most: sent where the client names no limit, since the API requires one.
    pub(super) max_output: u64,
    /// How thinking is switched on.
    pub(super) thinking: On,
    /// How it is switched off.
    pub(super) off: Off,
    /// Whether `temperature`, `top_p` and `top_k` may be said.
    pub(super) sampling: bool,
    /// Whether a call may be forced.
    pub(super) forced_choice: bool,
    /// Whether messages of role `system` may stand among the others.
    pub(super) system_turns: bool,
}

/// How thinking is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// `enabled`, with a budget of tokens.
    Budget,
    /// `adaptive`, with an effort up to `high`, or `max`.
    Adaptive,
    /// The same, and `xhigh` too.
    AdaptiveExtraHigh,
}

/// How thinking is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// `disabled`.
    Disabled,
    /// `between_tools`.
    BetweenTools,
    /// It cannot.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Haiku,
    Sonnet,
    Opus,
    /// Fable and Mythos.
    Other,
}

/// A model of a compatible service, or one that is not known by its name: the oldest rules, which all of them keep.
const UNKNOWN: Model = Model {
    max_output: 8192,
    thinking: On::Budget,
    off: Off::Disabled,
    sampling: true,
    forced_choice: true,
    system_turns: false,
};

/// 4.6: thinking as the model sees fit. <https://docs.anthropic.com/en/docs/build-with-claude/adaptive-thinking>
const V4_6: Model = Model { max_output: 128_000, thinking: On::Adaptive, ..UNKNOWN };

/// Opus 4.7: nothing but adaptive thinking, no sampling parameters.
const V4_7: Model = Model { thinking: On::AdaptiveExtraHigh, sampling: false, ..V4_6 };

/// Opus 4.8 and the first of 5: `system` in mid-conversation.
/// <https://docs.anthropic.com/en/docs/build-with-claude/mid-conversation-system-messages>
const V4_8: Model = Model { system_turns: true, ..V4_7 };

/// 5.5: no forced calls.
const V5_5: Model = Model { forced_choice: false, ..V4_8 };

impl Model {
    /// What the model of this name takes, on whatever platform and with whatever date (`claude-opus-4-6`,
    /// `us.anthropic.claude-sonnet-4-20250514-v1:0`, `anthropic/claude-3.7-sonnet`).
    pub(super) fn of(name: &str) -> Self {
        let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
        if !words().any(|word| word == "claude") {
            return UNKNOWN;
        }
        let family = words().find_map(|word| match word {
            "haiku" => Some(Family::Haiku),
            "sonnet" => Some(Family::Sonnet),
            "opus" => Some(Family::Opus),
            "fable" | "mythos" => Some(Family::Other),
            _ => None,
        });
        // Longer numbers are dates.
        let mut numbers =
            words().filter(|word| word.len() < 3).filter_map(|word| word.parse().ok());
        let version: (u8, u8) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        family.map_or(UNKNOWN, |family| Self::of_version(family, version))
    }

    const fn of_version(family: Family, version: (u8, u8)) -> Self {
        match (family, version) {
            (Family::Other, _) | (Family::Opus, (5, 5..) | (6.., _)) => {
                Self { off: Off::Never, ..V5_5 }
            }
            (Family::Sonnet, (5, 5..) | (6.., _)) => Self { off: Off::BetweenTools, ..V5_5 },
            (Family::Haiku, (5, 5..) | (6.., _)) => V5_5,
            (_, (5, _)) | (Family::Opus, (4, 8..)) => V4_8,
            (Family::Opus, (4, 7)) => V4_7,
            (_, (4, 6..)) => V4_6,
            (Family::Opus, (4, 5)) | (_, (4, _) | (3, 7..)) => match (family, version) {
                (Family::Opus, (4, 0..5)) => Self { max_output: 32_000, ..UNKNOWN },
                _ => Self { max_output: 64_000, ..UNKNOWN },
            },
            (_, (3, 5..)) => UNKNOWN,
            (_, (0..=3, _)) => Self { max_output: 4096, ..UNKNOWN },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let cases = [
            ("claude-3-haiku-20240307", 4096, On::Budget, Off::Disabled, true),
            ("claude-3-5-sonnet-20241022", 8192, On::Budget, Off::Disabled, true),
            ("claude-3-7-sonnet-latest", 64_000, On::Budget, Off::Disabled, true),
            ("anthropic/claude-3.7-sonnet", 64_000, On::Budget, Off::Disabled, true),
            ("us.anthropic.claude-opus-4-20250514-v1:0", 32_000, On::Budget, Off::Disabled, true),
            ("claude-opus-4-1@20250805", 32_000, On::Budget, Off::Disabled, true),
            ("claude-sonnet-4-20250514", 64_000, On::Budget, Off::Disabled, true),
            ("claude-opus-4-5-20251101", 64_000, On::Budget, Off::Disabled, true),
            ("claude-haiku-4-5", 64_000, On::Budget, Off::Disabled, true),
            ("claude-opus-4-6", 128_000, On::Adaptive, Off::Disabled, true),
            ("claude-sonnet-4-6", 128_000, On::Adaptive, Off::Disabled, true),
            ("claude-opus-4-7", 128_000, On::AdaptiveExtraHigh, Off::Disabled, false),
            ("claude-opus-4-8", 128_000, On::AdaptiveExtraHigh, Off::Disabled, false),
            ("claude-sonnet-5", 128_000, On::AdaptiveExtraHigh, Off::Disabled, false),
            ("claude-opus-5", 128_000, On::AdaptiveExtraHigh, Off::Disabled, false),
            ("claude-opus-5-5", 128_000, On::AdaptiveExtraHigh, Off::Never, false),
            ("claude-sonnet-5-5", 128_000, On::AdaptiveExtraHigh, Off::BetweenTools, false),
            ("claude-haiku-5-5", 128_000, On::AdaptiveExtraHigh, Off::Disabled, false),
            ("claude-mythos-preview", 128_000, On::AdaptiveExtraHigh, Off::Never, false),
            ("glm-4.6", 8192, On::Budget, Off::Disabled, true),
            ("", 8192, On::Budget, Off::Disabled, true),
        ];
        for (name, max_output, thinking, off, sampling) in cases {
            let model = Model::of(name);
            assert_eq!(
                (model.max_output, model.thinking, model.off, model.sampling),
                (max_output, thinking, off, sampling),
                "{name}"
            );
        }
        assert!(Model::of("claude-opus-5").forced_choice);
        assert!(!Model::of("claude-opus-5-5").forced_choice);
        assert!(Model::of("claude-opus-4-8").system_turns);
        assert!(!Model::of("claude-opus-4-7").system_turns);
    }
}
