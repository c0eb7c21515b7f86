//! What a translation could not carry: told, never silent.

use std::collections::BTreeSet;

/// Thinking of earlier turns that the account did not write: nobody takes another's.
pub const THINKING: &str = "thinking";

/// The signature of an earlier call that the account did not write.
pub const CALL_SIGNATURE: &str = "thought_signature";

/// What was left out of a request or an answer, by the client's field names, and what could not be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Left out; the answer's meaning stays (`seed`, `cache_control`).
    pub dropped: BTreeSet<&'static str>,
    /// Cannot be said to the target and would change the answer's meaning: field and reason.
    pub refused: Vec<(String, String)>,
}

impl Losses {
    /// Notes a field that was left out.
    pub fn drop(&mut self, field: &'static str) {
        self.dropped.insert(field);
    }

    /// Notes a field that was left out, where it was set at all.
    pub fn drop_some<T>(&mut self, value: &Option<T>, field: &'static str) {
        if value.is_some() {
            self.drop(field);
        }
    }

    /// Notes a field that the target has no form for and that may not be left out.
    pub fn refuse(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.refused.push((field.into(), reason.into()));
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.refused.is_empty()
    }

    /// Adds what another step lost.
    pub fn extend(&mut self, other: &Self) {
        self.dropped.extend(other.dropped.iter().copied());
        self.refused.extend(other.refused.iter().cloned());
    }
}
