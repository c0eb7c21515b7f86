//! Whether a change did what was asked and nothing else: the loader's tree before, with the change made to it, is the
//! tree after.

use super::super::problem::Place;
use super::super::yaml::{Entry, Node, Scalar, Style, Value};
use super::given::Given;
use super::render;
use super::{Change, Step};

/// The tree that the changed text must have; `None` when there is nothing at the path to change.
pub(super) fn wanted(before: &Node, change: &Change) -> Option<Node> {
    let mut tree = before.clone();
    match change {
        Change::Set(path, given) => set(&mut tree, path, given)?,
        Change::AddAccount(account) => {
            let list = make(&mut tree, "accounts")?;
            if is_nothing(&list.value) {
                list.value = Value::List(Vec::new());
            }
            let Value::List(items) = &mut list.value else { return None };
            items.push(node(account));
        }
        Change::RemoveAccount(index) => {
            let Value::List(items) = &mut make(&mut tree, "accounts")?.value else { return None };
            if *index >= items.len() {
                return None;
            }
            items.remove(*index);
        }
    }
    Some(tree)
}

/// The value at a path.
pub(super) fn find<'a>(tree: &'a Node, path: &[Step]) -> Option<&'a Node> {
    path.iter().try_fold(tree, |node, step| match (step, &node.value) {
        (Step::Key(key), Value::Map(entries)) => {
            entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.node)
        }
        (Step::Item(index), Value::List(items)) => items.get(*index),
        _ => None,
    })
}

/// Whether a node is what is given.
pub(super) fn says(there: &Node, given: &Given) -> bool {
    same(&there.value, &node(given).value)
}

/// Whether two trees mean the same. Nothing is as good as an empty mapping or list; the style of a text that no one
/// takes for anything else does not matter, nor does the order of keys that are not the owner's own.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            let alike = left.style == right.style || render::style(&left.text) == Style::Plain;
            alike && left.text == right.text
        }
        (Value::List(left), Value::List(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| same(&left.value, &right.value))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.len() == right.len() && left.iter().all(|entry| has(right, entry))
        }
        (left, right) => is_nothing(left) && is_nothing(right),
    }
}

/// Whether a mapping has an entry.
fn has(entries: &[Entry], entry: &Entry) -> bool {
    let Some(other) = entries.iter().find(|other| other.key == entry.key) else { return false };
    same(&entry.node.value, &other.node.value)
        && (!ORDERED.contains(&entry.key.as_str())
            || keys(&entry.node.value).eq(keys(&other.node.value)))
}

/// The mappings whose keys are the owner's own, and whose order counts.
const ORDERED: [&str; 3] = ["aliases", "model_map", "headers"];

fn keys(value: &Value) -> impl Iterator<Item = &str> {
    let entries = if let Value::Map(entries) = value { entries.as_slice() } else { &[] };
    entries.iter().map(|entry| entry.key.as_str())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
        Value::Scalar(_) => false,
    }
}

fn set(tree: &mut Node, path: &[Step], given: &Given) -> Option<()> {
    let Some((step, rest)) = path.split_first() else {
        *tree = node(given);
        return Some(());
    };
    match (step, &mut tree.value) {
        (Step::Item(index), Value::List(items)) => set(items.get_mut(*index)?, rest, given),
        (Step::Key(key), Value::Map(_) | Value::Null) => {
            if rest.is_empty() && *given == Given::Null {
                if let Value::Map(entries) = &mut tree.value {
                    entries.retain(|entry| entry.key != *key);
                }
                return Some(());
            }
            if *given == Given::Null && find(tree, std::slice::from_ref(step)).is_none() {
                return Some(());
            }
            set(make(tree, key)?, rest, given)
        }
        _ => None,
    }
}

/// The value at a key, made where it lacks; `None` where no key can be.
fn make<'a>(tree: &'a mut Node, key: &str) -> Option<&'a mut Node> {
    if is_nothing(&tree.value) {
        tree.value = Value::Map(Vec::new());
    }
    let Value::Map(entries) = &mut tree.value else { return None };
    let index = entries.iter().position(|entry| entry.key == key).unwrap_or(entries.len());
    if index == entries.len() {
        let node = Node { place: Place::Line(1), value: Value::Null };
        entries.push(Entry { key: key.to_owned(), node });
    }
    entries.get_mut(index).map(|entry| &mut entry.node)
}

/// What is given, as the loader would read it.
fn node(given: &Given) -> Node {
    let scalar = |text: &str, style| Value::Scalar(Scalar { text: text.to_owned(), style });
    let value = match given {
        Given::Null => Value::Null,
        Given::Truth(true) => scalar("true", Style::Plain),
        Given::Truth(false) => scalar("false", Style::Plain),
        Given::Number(number) => scalar(number, Style::Plain),
        Given::Text(text) => scalar(text, render::style(text)),
        Given::List(items) => Value::List(items.iter().map(node).collect()),
        Given::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| Entry { key: key.clone(), node: node(value) })
                .collect(),
        ),
    };
    Node { place: Place::Line(1), value }
}
