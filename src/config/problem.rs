//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::Path;

/// Where a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A line of the file, from 1.
    Line(usize),
    /// An environment variable.
    Variable(&'static str),
    /// A command line flag.
    Flag(&'static str),
}

/// One thing that is wrong: the place, the key path and what was expected.
///
/// It never quotes a value: a value may be a key that was written in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    place: Place,
    file: Option<String>,
    message: String,
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(place: Place, file: Option<&Path>, message: String) -> Self {
        Self { place, file: file.map(|path| path.display().to_string()), message, hint: None }
    }

    pub(super) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What to do about it, where that is not plain from the message.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.place, &self.file) {
            (Place::Line(line), Some(file)) => write!(f, "{file}:{line}: {}", self.message),
            (Place::Line(line), None) => write!(f, "line {line}: {}", self.message),
            (Place::Variable(name) | Place::Flag(name), _) => {
                write!(f, "{name}: {}", self.message)
            }
        }
    }
}

/// The candidate that was probably meant by a misspelt name.
pub(super) fn nearest<'a>(
    written: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Below this the words have little in common, and a guess would only mislead.
    const ALIKE: f64 = 0.75;
    let written = written.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&written, candidate), candidate))
        .filter(|(score, _)| *score >= ALIKE)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, candidate)| candidate)
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn alternatives<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_only_what_is_near() {
        let keys = ["port", "allow_lan_access", "auth_mode", "api_key", "max_body"];
        for (written, expected) in [
            ("prot", Some("port")),
            ("apikey", Some("api_key")),
            ("api-key", Some("api_key")),
            ("allow_lan", Some("allow_lan_access")),
            ("Auth_Mode", Some("auth_mode")),
            ("zzz", None),
        ] {
            assert_eq!(nearest(written, keys), expected, "{written}");
        }
    }
}
