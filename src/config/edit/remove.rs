//! A key or an item removed, with its lines; comments that are not its own stay.

use std::ops::Range;

use super::comments;
use super::layout::{Entry, Form, Node, Shape};
use super::page::{Found, Page};
use super::splice::{Splice, perform};
use super::{Step, Why};

/// Removes the key at a path, where it is there. A comment behind its value becomes a line of its own.
pub(super) fn key(text: &str, path: &[Step]) -> Result<String, Why> {
    let page = Page::read(text)?;
    let Some(root) = &page.root else { return Ok(text.to_owned()) };
    let (Some((last, above)), Found::Whole(_)) = (path.split_last(), Page::find(root, path)?)
    else {
        return Ok(text.to_owned());
    };
    let (Step::Key(key), Found::Whole(parent)) = (last, Page::find(root, above)?) else {
        return Err(Why::new(root.range.start, "is not a key"));
    };
    let Shape::Map(form, entries) = &parent.node.shape else {
        return Err(Why::new(parent.node.range.start, "is not a mapping"));
    };
    let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_default();
    let splice = match form {
        Form::Block => page.cut_block_entry(entries, index)?,
        Form::Flow => {
            let spans = entries.iter().map(|entry| entry.at.start..entry.value.range.end);
            page.cut_from_flow(parent.node, &spans.collect::<Vec<_>>(), index)?
        }
    };
    Ok(perform(text, vec![splice]))
}

/// Removes an item of the list at a key of the top.
pub(super) fn item(text: &str, key: &str, index: usize) -> Result<String, Why> {
    let page = Page::read(text)?;
    let missing = Why::new(0, "is not where it is looked for");
    let root = page.root.as_ref().ok_or(missing)?;
    let Found::Whole(list) = Page::find(root, &[Step::Key(key.to_owned())])? else {
        return Err(missing);
    };
    let Shape::List(form, items) = &list.node.shape else { return Err(missing) };
    let splice = match form {
        Form::Block => page.cut_block_item(items, index)?,
        Form::Flow => {
            let spans = items.iter().map(|item| item.range.clone()).collect::<Vec<_>>();
            page.cut_from_flow(list.node, &spans, index)?
        }
    };
    Ok(perform(text, vec![splice]))
}

impl Page<'_> {
    fn cut_block_entry(&self, entries: &[Entry], index: usize) -> Result<Splice, Why> {
        let Some(entry) = entries.get(index) else { return Err(Why::new(0, "is not there")) };
        let start = entry.at.start;
        let texts = comments::texts(entry);
        if self.is_first(start) {
            let range = self.line_start(start)..self.line_end(entry.value.range.end);
            let kept = comments::of(self.text, range.clone(), &texts);
            let with = match kept.as_slice() {
                // What it says is about the key: it goes on naming it, and the key comes back below it.
                [only] if self.line_end(start) == range.end => {
                    let said = only.trim_start_matches(['#', ' ']);
                    self.comment_lines(&[&format!("# {}: {said}", entry.key)], self.column(start))
                }
                kept => self.comment_lines(kept, self.column(start)),
            };
            return Ok(Splice { range, with });
        }
        // The first key of a list's item stands behind the dash; the next one takes its place.
        let next = entries.get(index + 1).map(|next| next.at.start);
        let range =
            start..next.ok_or_else(|| Why::new(start, "is all that its list's item has"))?;
        if comments::of(self.text, range.clone(), &texts).is_empty() {
            Ok(Splice { range, with: String::new() })
        } else {
            Err(Why::new(start, "has a comment that would be lost"))
        }
    }

    /// Cuts one of several out of its brackets, with the comma on one side.
    fn cut_from_flow(
        &self,
        node: &Node,
        spans: &[Range<usize>],
        index: usize,
    ) -> Result<Splice, Why> {
        let missing = Why::new(node.range.start, "is not there");
        let own = spans.get(index).ok_or(missing)?;
        let before = index.checked_sub(1).and_then(|before| spans.get(before));
        let range = match (before, spans.get(index + 1)) {
            (_, Some(next)) => own.start..next.start,
            (Some(before), None) => before.end..own.end,
            (None, None) => node.range.start + 1..node.range.end.saturating_sub(1),
        };
        if comments::of(self.text, range.clone(), spans).is_empty() {
            Ok(Splice { range, with: String::new() })
        } else {
            Err(Why::new(own.start, "has a comment beside it that would be lost"))
        }
    }

    /// Cuts an item with the comments directly above it and those below that stand deeper than its dash.
    fn cut_block_item(&self, items: &[Node], index: usize) -> Result<Splice, Why> {
        let item = items.get(index).ok_or_else(|| Why::new(0, "is not there"))?;
        let dash = self.dash(item)?;
        let column = self.column(dash);
        let line = self.line_start(dash);
        let mut start = self.above_comments(line, column);
        let mut end = self.behind_comments(self.line_end(item.range.end), column + 1);
        // Of the blank lines on both sides those above stay.
        let leads = index == 0 && items.len() > 1;
        if leads || start == 0 || self.is_blank(self.line_start(start - 1)) {
            while self.is_blank(end) {
                end = self.line_end(end);
            }
        }
        // At the end of the file they would stand before nothing.
        while end == self.text.len() && start > 0 && self.is_blank(self.line_start(start - 1)) {
            start = self.line_start(start - 1);
        }
        Ok(Splice { range: start..end, with: String::new() })
    }
}
