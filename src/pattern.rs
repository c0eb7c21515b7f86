//! Which model names a pattern means, and which of several patterns wins.

use std::cmp::Reverse;
use std::collections::HashMap;

/// A model name in which `*` stands for any text, none included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Exact(Box<str>),
    Wild { prefix: Box<str>, middle: Vec<Box<str>>, suffix: Box<str> },
}

impl Pattern {
    /// Compiles a pattern; every text is one.
    pub fn new(text: &str) -> Self {
        let Some((prefix, rest)) = text.split_once('*') else {
            return Self(Form::Exact(text.into()));
        };
        let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
        let middle = middle.split('*').filter(|piece| !piece.is_empty()).map(Into::into).collect();
        Self(Form::Wild { prefix: prefix.into(), middle, suffix: suffix.into() })
    }

    /// Whether the whole `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        match &self.0 {
            Form::Exact(exact) => **exact == *name,
            Form::Wild { prefix, middle, suffix } => {
                let Some(rest) = name.strip_prefix(&**prefix) else { return false };
                let Some(mut rest) = rest.strip_suffix(&**suffix) else { return false };
                for piece in middle {
                    let Some((_, after)) = rest.split_once(&**piece) else { return false };
                    rest = after;
                }
                true
            }
        }
    }

    /// The name itself, when the pattern has no `*`.
    pub fn exact(&self) -> Option<&str> {
        match &self.0 {
            Form::Exact(exact) => Some(exact),
            Form::Wild { .. } => None,
        }
    }

    fn prefix_length(&self) -> usize {
        match &self.0 {
            Form::Exact(exact) => exact.len(),
            Form::Wild { prefix, .. } => prefix.len(),
        }
    }
}

/// Patterns with what they stand for: an exact one wins, then the longest literal prefix, then the
/// first written.
#[derive(Clone, Debug)]
pub struct Table<T> {
    exact: HashMap<Box<str>, T>,
    wild: Vec<(Pattern, T)>,
}

impl<T> Table<T> {
    /// Compiles the entries, given in file order.
    pub fn new<S: AsRef<str>>(entries: impl IntoIterator<Item = (S, T)>) -> Self {
        let mut table = Self { exact: HashMap::new(), wild: Vec::new() };
        for (text, value) in entries {
            let pattern = Pattern::new(text.as_ref());
            match pattern.exact() {
                Some(name) => {
                    table.exact.entry(name.into()).or_insert(value);
                }
                None => table.wild.push((pattern, value)),
            }
        }
        // The sort is stable: among equals the file's order stays.
        table.wild.sort_by_key(|(pattern, _)| Reverse(pattern.prefix_length()));
        table
    }

    /// What `name` stands for.
    pub fn find(&self, name: &str) -> Option<&T> {
        if let Some(value) = self.exact.get(name) {
            return Some(value);
        }
        self.wild.iter().find(|(pattern, _)| pattern.matches(name)).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let cases = [
            ("gemini-3-flash", "gemini-3-flash", true),
            ("gemini-3-flash", "gemini-3-flash-lite", false),
            ("gemini-*", "gemini-3-flash", true),
            ("gemini-*", "gemini-", true),
            ("gemini-*", "models/gemini-3", false),
            ("*", "", true),
            ("*", "anything/at all", true),
            ("*-flash", "gemini-3-flash", true),
            ("*-flash", "gemini-3-flash-lite", false),
            ("claude-*-4*", "claude-sonnet-4-5", true),
            ("claude-*-4*", "claude-sonnet-3-5", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a**b", "a-b", true),
            ("*b*b*", "abc", false),
            ("*b*b*", "abcb", true),
            ("", "", true),
            ("", "x", false),
            ("gpt-4é*", "gpt-4é-mini", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(Pattern::new(pattern).matches(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn exact_then_longest_prefix_then_first_written() {
        let table = Table::new([
            ("*", "any"),
            ("gpt-*", "gpt"),
            ("gpt-4o*", "first 4o"),
            ("gpt-4o*i", "second 4o"),
            ("gpt-4o-mini", "exact"),
            ("gpt-4o-mini", "too late"),
        ]);
        assert_eq!(table.find("gpt-4o-mini"), Some(&"exact"));
        assert_eq!(table.find("gpt-4o-maxi"), Some(&"first 4o"));
        assert_eq!(table.find("gpt-5"), Some(&"gpt"));
        assert_eq!(table.find("o3"), Some(&"any"));
        assert_eq!(Table::<&str>::new([("a*", "a")]).find("b"), None);
    }

    /// The obvious definition, to compare with.
    fn naive(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|cut| naive(rest, &name[cut..])),
            Some((byte, rest)) => name.first() == Some(byte) && naive(rest, &name[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_definition(pattern in "[ab*]{0,8}", name in "[ab]{0,10}") {
            let expected = naive(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Pattern::new(&pattern).matches(&name), expected);
        }
    }
}
