//! Changes a YAML text in place: comments, blank lines, order and quotes of all else stay as they are.
//!
//! ```text
//! text ─▶ layout (where each value stands) ─▶ splice (the smallest cut and paste) ─▶ check (the loader's own tree) ─▶ text
//! ```
//!
//! The result is parsed as the loader parses a file, and differs in just what was asked, or it is refused.

mod check;
mod comments;
pub mod given;
mod layout;
pub mod mask;
mod page;
mod remove;
mod render;
mod splice;

use std::fmt;
use std::path::{Path, PathBuf};

use self::given::Given;
use super::problem::Problem;
use super::yaml;

/// A step from a value to one inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The value at a key of a mapping.
    Key(String),
    /// An item of a list, from 0.
    Item(usize),
}

/// One change of a configuration's text.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// Writes a value, over the old one or anew; `Null` removes the key. Mappings on the way are made where they lack.
    Set(Vec<Step>, Given),
    /// Adds an item at the end of `accounts:`.
    AddAccount(Given),
    /// Removes an item of `accounts:`, with the comments that belong to it.
    RemoveAccount(usize),
}

/// Why a text was not changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not a configuration to begin with.
    #[error("{0}")]
    Unreadable(Problem),
    /// It is written in a way that cannot be changed without harm to something else.
    #[error("{}:{line}: {what} {reason}; change this line by hand", path.display())]
    ByHand {
        /// The file.
        path: PathBuf,
        /// Where to look, from 1.
        line: usize,
        /// The key that was to be changed.
        what: String,
        /// What is in the way.
        reason: &'static str,
    },
}

/// What is in the way of a change, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Why {
    at: usize,
    reason: &'static str,
}

impl Why {
    const fn new(at: usize, reason: &'static str) -> Self {
        Self { at, reason }
    }
}

/// The path of dotted keys.
pub fn path(dotted: &str) -> Vec<Step> {
    dotted.split('.').map(|key| Step::Key(key.to_owned())).collect()
}

/// The path of a key of an account, by its place in `accounts:`.
pub fn account_path(index: usize, key: &str) -> Vec<Step> {
    vec![Step::Key("accounts".to_owned()), Step::Item(index), Step::Key(key.to_owned())]
}

/// The text at a path as it is written, its variables as they are; `None` where there is none.
pub fn written(text: &str, path: &[Step]) -> Option<String> {
    let tree = yaml::parse(text, Path::new("")).ok()?;
    match &check::find(&tree, path)?.value {
        yaml::Value::Scalar(scalar) => Some(scalar.text.clone()),
        yaml::Value::Null | yaml::Value::List(_) | yaml::Value::Map(_) => None,
    }
}

/// Makes the changes one after another; `file` is for messages.
pub fn apply(text: &str, file: &Path, changes: &[Change]) -> Result<String, Error> {
    let (mark, body) = text.split_at(if text.starts_with('\u{feff}') { 3 } else { 0 });
    let text = changes.iter().try_fold(body.to_owned(), |text, change| one(&text, file, change))?;
    Ok(format!("{mark}{text}"))
}

/// Makes one change. A mapping over a mapping is made key by key where that comes to the same, so that what is written
/// beside the keys that stay is kept.
fn one(text: &str, file: &Path, change: &Change) -> Result<String, Error> {
    let before = yaml::parse(text, file).map_err(Error::Unreadable)?;
    let by_hand = |why: Why| Error::ByHand {
        path: file.to_owned(),
        line: text.as_bytes().iter().take(why.at).filter(|byte| **byte == b'\n').count() + 1,
        what: change.to_string(),
        reason: why.reason,
    };
    let Some(wanted) = check::wanted(&before, change) else {
        return Err(by_hand(Why::new(0, "is not where it is looked for")));
    };
    let says_it = |text: &str| {
        yaml::parse(text, file).is_ok_and(|tree| check::same(&tree.value, &wanted.value))
    };
    if let Change::Set(path, Given::Map(entries)) = change
        && let Some(merged) = merge(text, &before, path, entries)
        && says_it(&merged)
    {
        return Ok(merged);
    }
    let changed = match change {
        Change::Set(path, Given::Null) => remove::key(text, path),
        Change::Set(path, given) => splice::set(text, path, given),
        Change::AddAccount(account) => splice::add(text, "accounts", account),
        Change::RemoveAccount(index) => remove::item(text, "accounts", *index),
    };
    let changed = changed.map_err(by_hand)?;
    if says_it(&changed) {
        Ok(changed)
    } else {
        let at = splice::place(text, change).unwrap_or_default();
        Err(by_hand(Why::new(at, "is tied to other parts of the file")))
    }
}

/// The text with each key of a mapping that is there set or removed by itself.
fn merge(
    text: &str,
    tree: &yaml::Node,
    path: &[Step],
    entries: &[(String, Given)],
) -> Option<String> {
    let yaml::Value::Map(there) = &check::find(tree, path)?.value else { return None };
    let at =
        |key: &str| path.iter().cloned().chain([Step::Key(key.to_owned())]).collect::<Vec<_>>();
    let mut text = text.to_owned();
    for (key, given) in entries {
        let kept = there.iter().any(|entry| entry.key == *key && check::says(&entry.node, given));
        if !kept {
            text = splice::set(&text, &at(key), given).ok()?;
        }
    }
    for gone in there.iter().filter(|entry| entries.iter().all(|(key, _)| *key != entry.key)) {
        text = remove::key(&text, &at(&gone.key)).ok()?;
    }
    Some(text)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(path, _) => {
                path.iter().enumerate().try_for_each(|(index, step)| match step {
                    Step::Key(key) if index == 0 => f.write_str(key),
                    Step::Key(key) => write!(f, ".{key}"),
                    Step::Item(item) => write!(f, "[{item}]"),
                })
            }
            Self::AddAccount(_) => f.write_str("accounts"),
            Self::RemoveAccount(index) => write!(f, "accounts[{index}]"),
        }
    }
}

impl fmt::Debug for Change {
    /// The key alone: the value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Change({self})")
    }
}
