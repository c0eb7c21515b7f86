//! What an answer cost, in tokens.

/// Token counts of one answer. `input` counts every token of the prompt, cached or not; `output` every token of the
/// answer, thoughts included (Anthropic counts the first apart, Gemini the second: its dialect adds and subtracts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt, all of them.
    pub input: u64,
    /// Those of them that were read from the provider's prompt cache.
    pub cache_read: u64,
    /// Those of them that were written to it.
    pub cache_write: u64,
    /// Tokens of the answer, all of them.
    pub output: u64,
    /// Those of them that were thoughts.
    pub reasoning: u64,
}

impl Usage {
    /// Input and output together.
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}
