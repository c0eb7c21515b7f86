//! What a translation could not carry: told, never silent.

use std::collections::BTreeSet;

/// Thinking of earlier turns that the account did not write: nobody takes another's.
pub const THINKING: &str = "thinking";

/// The signature of an earlier call that the account did not write.
pub const CALL_SIGNATURE: &str = "thought_signature";

/// Bytes of the longest name of an unread field.
const LONGEST_PLACE: usize = 80;

/// Names of unread fields at most.
const MOST_PLACES: usize = 24;

/// Unread fields that are not named.
const OTHERS: &str = "others";

/// What was left out of a request or an answer, by the client's field names, and what could not be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Left out; the answer's meaning stays (`seed`, `cache_control`).
    pub dropped: BTreeSet<&'static str>,
    /// Left out because the client's dialect knows no such field, by their places (`reasoning.mode`).
    pub unread: BTreeSet<String>,
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

    /// Notes a field that nobody reads. Names are the client's own words and go into a header: long or odd ones, and more
    /// than a few, are told as `others`.
    pub fn leave_unread(&mut self, place: String) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-$".contains(&byte);
        let fits = place.len() <= LONGEST_PLACE && place.bytes().all(plain);
        let place = if fits && self.unread.len() < MOST_PLACES { place } else { OTHERS.to_owned() };
        self.unread.insert(place);
    }

    /// The names of all that was left out.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.dropped.iter().copied().chain(self.unread.iter().map(String::as_str))
    }

    /// Notes a field that the target has no form for and that may not be left out.
    pub fn refuse(&mut self, field: impl Into<String>, reason: impl Into<String>) {
        self.refused.push((field.into(), reason.into()));
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.dropped.is_empty() && self.unread.is_empty() && self.refused.is_empty()
    }

    /// Adds what another step lost.
    pub fn extend(&mut self, other: &Self) {
        self.dropped.extend(other.dropped.iter().copied());
        self.unread.extend(other.unread.iter().cloned());
        self.refused.extend(other.refused.iter().cloned());
    }
}
