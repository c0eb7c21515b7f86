//! A text with its layout: lines, columns, and what stands around a value.

use std::ops::Range;

use super::super::yaml::Style;
use super::layout::{self, Entry, Form, Node, Shape};
use super::render::{self, Lines, Quotes};
use super::{Step, Why};

/// A text that is to be changed.
pub(super) struct Page<'a> {
    pub(super) text: &'a str,
    pub(super) newline: &'static str,
    pub(super) root: Option<Node>,
}

/// A value on the page, and what it is the value of.
#[derive(Clone, Copy)]
pub(super) struct Spot<'p> {
    pub(super) node: &'p Node,
    /// Its key, where it has one.
    pub(super) entry: Option<&'p Entry>,
    /// Whether it can have lines of its own.
    pub(super) around: Form,
}

/// How far a path leads.
pub(super) enum Found<'p> {
    /// To its end.
    Whole(Spot<'p>),
    /// To a value that has no such key; the steps from there on.
    Short(Spot<'p>, usize),
}

impl<'a> Page<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Why> {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let root = layout::parse(text)?.filter(|root| !matches!(root.shape, Shape::Empty));
        Ok(Self { text, newline, root })
    }

    /// Follows a path from the top.
    pub(super) fn find<'p>(root: &'p Node, path: &[Step]) -> Result<Found<'p>, Why> {
        let mut spot = Spot { node: root, entry: None, around: Form::Block };
        for (index, step) in path.iter().enumerate() {
            if let Shape::Map(Form::Flow, _) | Shape::List(Form::Flow, _) = spot.node.shape {
                spot.around = Form::Flow;
            }
            match (step, &spot.node.shape) {
                (Step::Key(key), Shape::Map(_, entries)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.key == *key) else {
                        return Ok(Found::Short(spot, index));
                    };
                    spot = Spot { node: &entry.value, entry: Some(entry), ..spot };
                }
                (Step::Item(item), Shape::List(_, items)) => {
                    let gone = Why::new(spot.node.range.start, "has no such item");
                    spot = Spot { node: items.get(*item).ok_or(gone)?, entry: None, ..spot };
                }
                (Step::Key(_), Shape::Empty | Shape::Scalar) => {
                    return Ok(Found::Short(spot, index));
                }
                (Step::Key(_) | Step::Item(_), _) => {
                    return Err(Why::new(
                        spot.node.range.start,
                        "is not written as keys and values",
                    ));
                }
            }
        }
        Ok(Found::Whole(spot))
    }

    /// The text of a range.
    pub(super) fn written(&self, range: Range<usize>) -> &'a str {
        self.text.get(range).unwrap_or_default()
    }

    /// Where the line of a byte begins.
    pub(super) fn line_start(&self, at: usize) -> usize {
        self.written(0..at).rfind('\n').map_or(0, |end| end + 1)
    }

    /// Behind the line of a byte, its end included.
    pub(super) fn line_end(&self, at: usize) -> usize {
        self.written(at..self.text.len()).find('\n').map_or(self.text.len(), |end| at + end + 1)
    }

    /// Characters before it on its line.
    pub(super) fn column(&self, at: usize) -> usize {
        self.written(self.line_start(at)..at).chars().count()
    }

    /// Whether nothing but spaces stands before it on its line.
    pub(super) fn is_first(&self, at: usize) -> bool {
        self.written(self.line_start(at)..at).chars().all(|before| before == ' ')
    }

    /// Where the dash of a block item stands.
    pub(super) fn dash(&self, item: &Node) -> Result<usize, Why> {
        let before = self.written(0..item.range.start).trim_end();
        let at = before.len().saturating_sub(1);
        if before.ends_with('-') && self.is_first(at) {
            Ok(at)
        } else {
            Err(Why::new(item.range.start, "is written in a form that is too rare to change"))
        }
    }

    /// How a block's lines are written at this depth.
    pub(super) const fn lines(&self, indent: usize) -> Lines<'static> {
        Lines { indent, newline: self.newline, quotes: Quotes::Needed }
    }

    /// How keys and texts are written beside these keys: as JSON does, where one has quotes without need.
    pub(super) fn quotes(&self, entries: &[Entry]) -> Quotes {
        let quoted = |entry: &Entry| self.written(entry.at.clone()).starts_with('"');
        let needless = |entry: &Entry| quoted(entry) && render::style(&entry.key) == Style::Plain;
        if entries.iter().any(needless) { Quotes::Always } else { Quotes::Needed }
    }

    /// Behind the comment lines from here on that stand at `column` or deeper.
    pub(super) fn behind_comments(&self, from: usize, column: usize) -> usize {
        let mut at = from;
        while let Some(hash) = self.comment_line(at)
            && hash >= column
        {
            at = self.line_end(at);
        }
        at
    }

    /// Where the comment lines directly above a line begin that stand at `column` or deeper.
    pub(super) fn above_comments(&self, line: usize, column: usize) -> usize {
        let mut at = line;
        while at > 0 {
            let above = self.line_start(at - 1);
            if self.comment_line(above).is_none_or(|hash| hash < column) {
                break;
            }
            at = above;
        }
        at
    }

    /// The column of the `#` of a line that is a comment.
    fn comment_line(&self, at: usize) -> Option<usize> {
        let line = self.written(at..self.line_end(at));
        line.trim_start().starts_with('#').then(|| line.len() - line.trim_start().len())
    }

    /// Whether the line here is blank.
    pub(super) fn is_blank(&self, at: usize) -> bool {
        at < self.text.len() && self.written(at..self.line_end(at)).trim().is_empty()
    }

    /// The line behind the one that has this key commented out (`# key: …`), at this column, from `from` on; comments in
    /// front of the block's end or right behind it count.
    pub(super) fn behind_commented(
        &self,
        key: &str,
        column: usize,
        range: Range<usize>,
    ) -> Option<usize> {
        let end = self.behind_comments(self.line_end(range.end), column);
        let mut at = self.line_start(range.start);
        while at < end {
            let next = self.line_end(at);
            let line = self.written(at..next);
            let comment = line.trim_start();
            let shown = comment.strip_prefix('#').map(str::trim_start);
            let names = shown.is_some_and(|shown| {
                shown.strip_prefix(key).is_some_and(|rest| rest.starts_with(':'))
            });
            if names && line.len() - comment.len() == column {
                return Some(next);
            }
            at = next;
        }
        None
    }
}
