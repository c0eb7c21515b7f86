//! The comments within a part of a text: what must not get lost when the part is written anew.

use std::ops::Range;

use super::layout::{Entry, Node, Shape};

/// Every comment of a range, without its line end. `within` has the keys and values that stand there, in order.
pub(super) fn of<'a>(text: &'a str, range: Range<usize>, within: &[Range<usize>]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut at = range.start;
    while let Some(next) = text.get(at..range.end).and_then(|rest| rest.find('#')) {
        let hash = at + next;
        if let Some(value) = within.iter().find(|value| value.contains(&hash)) {
            at = value.end;
            continue;
        }
        let before = text.get(..hash).unwrap_or_default();
        if !before.is_empty() && !before.ends_with(char::is_whitespace) {
            at = hash + 1;
            continue;
        }
        let rest = text.get(hash..).unwrap_or_default();
        let comment = rest.lines().next().unwrap_or_default();
        found.push(comment.trim_end());
        at = hash + comment.len();
    }
    found
}

/// The keys and values of an entry that are texts.
pub(super) fn texts(entry: &Entry) -> Vec<Range<usize>> {
    let mut found = vec![entry.at.clone()];
    walk(&entry.value, &mut found);
    found
}

/// The texts in a value.
pub(super) fn walk(node: &Node, found: &mut Vec<Range<usize>>) {
    match &node.shape {
        Shape::Empty => {}
        Shape::Scalar => found.push(node.range.clone()),
        Shape::List(_, items) => items.iter().for_each(|item| walk(item, found)),
        Shape::Map(_, entries) => {
            for entry in entries {
                found.push(entry.at.clone());
                walk(&entry.value, found);
            }
        }
    }
}
