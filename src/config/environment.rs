//! The process environment as the configuration sees it: read once, then a plain map.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The gateway's own variables: each stands for one key of the file and wins over it.
///
/// `LEVITY_CONFIG` is not here, as it names the file itself.
pub const SETTINGS: &[(&str, [&str; 2])] = &[
    ("LEVITY_PORT", ["proxy", "port"]),
    ("LEVITY_ALLOW_LAN_ACCESS", ["proxy", "allow_lan_access"]),
    ("LEVITY_AUTH_MODE", ["proxy", "auth_mode"]),
    ("LEVITY_API_KEY", ["proxy", "api_key"]),
    ("LEVITY_MAX_BODY", ["proxy", "max_body"]),
    ("LEVITY_THREADS", ["proxy", "threads"]),
    ("LEVITY_EXPOSE_ROUTING", ["proxy", "expose_routing"]),
    ("LEVITY_STRICT", ["proxy", "strict"]),
    ("LEVITY_MONITOR_ENABLED", ["monitor", "enabled"]),
    ("LEVITY_CONSOLE_ENABLED", ["console", "enabled"]),
    ("LEVITY_CONSOLE_PORT", ["console", "port"]),
];

/// How deep one `${A:-${B:-…}}` may nest: far more than anyone writes, and safe to recurse.
const MAX_NESTING: usize = 8;

/// The variables of the process, or a test's own.
///
/// It holds secrets, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Takes the process environment; variables that are not UTF-8 are left out.
    pub fn read() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// A variable's value. An empty one counts as not set, as in `${NAME:-default}`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where the gateway keeps its own files: `$XDG_STATE_HOME/levity`, or the same under `~/.local/state`.
    /// <https://specifications.freedesktop.org/basedir-spec/latest/>
    pub fn state_folder(&self) -> Option<PathBuf> {
        // The specification has relative paths ignored.
        let xdg = self.get("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || self.get("HOME").map(|home| Path::new(home).join(".local/state"));
        Some(xdg.or_else(home)?.join("levity"))
    }

    /// Replaces each `${NAME}` and `${NAME:-default}`; `$${` stands for a literal `${`.
    ///
    /// What a variable holds is not expanded again.
    pub fn expand(&self, text: &str) -> Result<String, Fault> {
        self.expand_nested(text, 0)
    }

    fn expand_nested(&self, text: &str, depth: usize) -> Result<String, Fault> {
        if depth > MAX_NESTING {
            return Err(Fault::Malformed);
        }
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(escaped) = before.strip_suffix('$') {
                expanded.push_str(escaped);
                expanded.push_str("${");
                rest = after;
                continue;
            }
            expanded.push_str(before);
            let (inside, behind) = split_at_closing_brace(after).ok_or(Fault::Malformed)?;
            expanded.push_str(&self.substitute(inside, depth)?);
            rest = behind;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    /// What `NAME` or `NAME:-default` stands for.
    fn substitute(&self, inside: &str, depth: usize) -> Result<String, Fault> {
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        if !is_variable_name(name) {
            return Err(Fault::Malformed);
        }
        match (self.get(name), default) {
            (Some(value), _) => Ok(value.to_owned()),
            (None, Some(default)) => self.expand_nested(default, depth + 1),
            (None, None) => Err(Fault::Unset(name.to_owned())),
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self { variables: pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect() }
    }
}

/// Why a text with `${…}` in it has no value.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// The variable is not set, or empty, and no default is written.
    Unset(String),
    /// Not of the form `${NAME}` or `${NAME:-default}`.
    Malformed,
}

/// Splits behind a `${` at the `}` that closes it.
fn split_at_closing_brace(text: &str) -> Option<(&str, &str)> {
    let mut open = 1_usize;
    let mut previous = ' ';
    for (index, character) in text.char_indices() {
        match character {
            '{' if previous == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some((text.get(..index)?, text.get(index + 1..)?));
        }
        previous = character;
    }
    None
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_what_is_written() {
        let environment =
            Environment::from_iter([("A", "one"), ("B_2", "two"), ("EMPTY", ""), ("X", "${A}")]);
        let unset = |name: &str| Err(Fault::Unset(name.to_owned()));
        let text = |text: &str| Ok(text.to_owned());
        for (written, expected) in [
            ("plain", text("plain")),
            ("${A}", text("one")),
            ("<${A}-${B_2}>", text("<one-two>")),
            ("${MISSING:-8045}", text("8045")),
            ("${A:-8045}", text("one")),
            ("${EMPTY:-default}", text("default")),
            ("${MISSING:-}", text("")),
            ("${MISSING:-${B_2}}", text("two")),
            ("${MISSING:-${ALSO:-${A}}}!", text("one!")),
            ("${MISSING:-a:-b}", text("a:-b")),
            ("$A $ {A} $$", text("$A $ {A} $$")),
            ("$${A}", text("${A}")),
            ("$${A}${A}", text("${A}one")),
            ("${X}", text("${A}")),
            ("${MISSING}", unset("MISSING")),
            ("${EMPTY}", unset("EMPTY")),
            ("${A:-${MISSING}}", text("one")),
            ("${MISSING:-${ALSO}}", unset("ALSO")),
            ("${}", Err(Fault::Malformed)),
            ("${A", Err(Fault::Malformed)),
            ("${1}", Err(Fault::Malformed)),
            ("${A-b}", Err(Fault::Malformed)),
            ("${ A }", Err(Fault::Malformed)),
        ] {
            assert_eq!(environment.expand(written), expected, "{written}");
        }
    }

    #[test]
    fn refuses_endless_nesting() {
        let text = "${M:-".repeat(10_000) + &"}".repeat(10_000);
        assert_eq!(Environment::default().expand(&text), Err(Fault::Malformed));
    }
}
