//! A value set, a key or an item added: the smallest cut and paste that says it.

use std::ops::Range;

use super::comments;
use super::given::Given;
use super::layout::{Entry, Form, Node, Shape};
use super::page::{Found, Page, Spot};
use super::render::{self, Lines};
use super::{Change, Step, Why};

/// What takes the place of a range.
pub(super) struct Splice {
    pub(super) range: Range<usize>,
    pub(super) with: String,
}

/// Cuts and pastes; the splices do not overlap.
pub(super) fn perform(text: &str, mut splices: Vec<Splice>) -> String {
    // From behind, so that what lies before stays where it is.
    splices.sort_by_key(|splice| std::cmp::Reverse(splice.range.start));
    let mut text = text.to_owned();
    for Splice { range, with } in splices {
        text.replace_range(range, &with);
    }
    text
}

/// Writes a value at a path.
pub(super) fn set(text: &str, path: &[Step], given: &Given) -> Result<String, Why> {
    let page = Page::read(text)?;
    let Some(root) = &page.root else {
        let mut lines = String::new();
        let (key, value) = nested(path, given)?;
        render::entry(key, &value, page.lines(0), &mut lines);
        return Ok(perform(text, vec![page.lines_at(text.len(), &lines)]));
    };
    let splices = match Page::find(root, path)? {
        Found::Whole(spot) => page.replace(spot, given)?,
        Found::Short(spot, from) => {
            let (key, value) = nested(path.get(from..).unwrap_or_default(), given)?;
            page.insert(spot, key, &value)?
        }
    };
    Ok(perform(text, splices))
}

/// Adds an item to the list at a key of the top.
pub(super) fn add(text: &str, key: &str, given: &Given) -> Result<String, Why> {
    let page = Page::read(text)?;
    let path = [Step::Key(key.to_owned())];
    let Some(root) = &page.root else { return set(text, &path, &Given::List(vec![given.clone()])) };
    let Found::Whole(spot) = Page::find(root, &path)? else {
        return set(text, &path, &Given::List(vec![given.clone()]));
    };
    let splices = match &spot.node.shape {
        Shape::List(Form::Block, items) => vec![page.behind_last(spot.node, items, given)?],
        Shape::List(Form::Flow, items) if !items.is_empty() => {
            let mut item = String::new();
            let quotes = page.quotes_of_items(items);
            render::inline(given, quotes, &mut item);
            vec![page.in_brackets(spot.node, items.last().map(|last| last.range.clone()), &item)]
        }
        Shape::List(..) | Shape::Empty if spot.around == Form::Block => {
            page.first_item(spot, given)?
        }
        Shape::List(..) | Shape::Empty | Shape::Scalar | Shape::Map(..) => {
            page.replace(spot, &Given::List(vec![given.clone()]))?
        }
    };
    Ok(perform(text, splices))
}

/// Where a change would be made: for a message.
pub(super) fn place(text: &str, change: &Change) -> Option<usize> {
    let page = Page::read(text).ok()?;
    let path = match change {
        Change::Set(path, _) => path.clone(),
        Change::AddAccount(_) => vec![Step::Key("accounts".to_owned())],
        Change::RemoveAccount(index) => vec![Step::Key("accounts".to_owned()), Step::Item(*index)],
    };
    match Page::find(page.root.as_ref()?, &path).ok()? {
        Found::Whole(spot) | Found::Short(spot, _) => {
            Some(spot.entry.map_or(spot.node.range.start, |entry| entry.at.start))
        }
    }
}

/// A path that leads nowhere yet, as the first of its keys with all else inside.
fn nested<'p>(path: &'p [Step], given: &Given) -> Result<(&'p str, Given), Why> {
    let missing = Why::new(0, "is not where it is looked for");
    let mut steps = path.iter().rev();
    let mut value = given.clone();
    let mut last = steps.next().ok_or(missing)?;
    for step in steps {
        let Step::Key(key) = last else { return Err(missing) };
        value = Given::Map(vec![(key.clone(), value)]);
        last = step;
    }
    match last {
        Step::Key(key) => Ok((key, value)),
        Step::Item(_) => Err(missing),
    }
}

impl Page<'_> {
    /// Lines that are put where a line begins, or at the end of a text whose last line has none.
    pub(super) fn lines_at(&self, at: usize, lines: &str) -> Splice {
        let before = self.written(0..at);
        let with = if before.is_empty() || before.ends_with('\n') {
            lines.to_owned()
        } else {
            format!("{}{}", self.newline, lines.trim_end_matches(['\r', '\n']))
        };
        Splice { range: at..at, with }
    }

    /// Puts a value over the one that is there.
    fn replace(&self, spot: Spot<'_>, given: &Given) -> Result<Vec<Splice>, Why> {
        let Spot { node, entry, around } = spot;
        let quotes = self.quotes(entry.map(std::slice::from_ref).unwrap_or_default());
        let mut with = String::new();
        let mut range = node.range.clone();
        match (&node.shape, given) {
            (Shape::List(Form::Block, items), Given::List(wanted))
                if !wanted.is_empty() && around == Form::Block =>
            {
                let first = items.first().ok_or_else(|| Why::new(range.start, "is not a list"))?;
                let dash = self.dash(first)?;
                range.start = self.line_start(dash);
                let lines = Lines { quotes, ..self.lines(self.column(dash)) };
                for item in wanted {
                    render::item(item, lines, &mut with);
                }
                with.truncate(with.trim_end_matches(['\r', '\n']).len());
            }
            (Shape::List(Form::Block, _) | Shape::Map(Form::Block, _), _) => {
                let entry = entry.ok_or_else(|| {
                    Why::new(range.start, "is written in a form that is too rare to change")
                })?;
                range.start = self.colon(entry);
                with.push(' ');
                render::inline(given, quotes, &mut with);
            }
            (Shape::Empty, _) => {
                with.push(' ');
                render::inline(given, quotes, &mut with);
            }
            (Shape::Scalar | Shape::List(Form::Flow, _) | Shape::Map(Form::Flow, _), _) => {
                render::inline(given, quotes, &mut with);
            }
        }
        let mut splices = self.rescued(spot, range.clone())?;
        splices.push(self.aligned(Splice { range, with }));
        Ok(splices)
    }

    /// The same, with the comment behind it left in its column as far as there is room.
    fn aligned(&self, splice: Splice) -> Splice {
        let Splice { range, mut with } = splice;
        let behind = self.written(range.end..self.text.len());
        let spaces = behind.len() - behind.trim_start_matches(' ').len();
        let old = self.written(range.clone());
        if spaces == 0 || !behind.trim_start_matches(' ').starts_with('#') || old.contains('\n') {
            return Splice { range, with };
        }
        let room = (old.chars().count() + spaces).saturating_sub(with.chars().count());
        with.extend(std::iter::repeat_n(' ', room.max(1)));
        Splice { range: range.start..range.end + spaces, with }
    }

    /// Behind the colon of an entry.
    fn colon(&self, entry: &Entry) -> usize {
        let rest = self.written(entry.at.end..self.text.len());
        entry.at.end + rest.find(':').map_or(0, |colon| colon + 1)
    }

    /// The comments that would go with a range, as lines above its key.
    fn rescued(&self, spot: Spot<'_>, range: Range<usize>) -> Result<Vec<Splice>, Why> {
        let mut texts = Vec::new();
        comments::walk(spot.node, &mut texts);
        let lost = comments::of(self.text, range.clone(), &texts);
        if lost.is_empty() {
            return Ok(Vec::new());
        }
        match spot.entry {
            Some(entry) if self.is_first(entry.at.start) => {
                let lines = self.comment_lines(&lost, self.column(entry.at.start));
                Ok(vec![self.lines_at(self.line_start(entry.at.start), &lines)])
            }
            Some(_) | None => Err(Why::new(range.start, "has comments inside that would be lost")),
        }
    }

    /// Comments as lines of their own.
    pub(super) fn comment_lines(&self, comments: &[&str], indent: usize) -> String {
        let line = |comment: &&str| format!("{:indent$}{comment}{}", "", self.newline);
        comments.iter().map(line).collect()
    }

    /// Adds a key to a mapping, or to a value that is nothing and so becomes one.
    fn insert(&self, spot: Spot<'_>, key: &str, value: &Given) -> Result<Vec<Splice>, Why> {
        let Spot { node, entry, around } = spot;
        let mut with = String::new();
        match &node.shape {
            Shape::Map(Form::Block, entries) => {
                let first = entries
                    .first()
                    .ok_or_else(|| Why::new(node.range.start, "is not a mapping"))?;
                let column = self.column(first.at.start);
                let lines = Lines { quotes: self.quotes(entries), ..self.lines(column) };
                render::entry(key, value, lines, &mut with);
                let commented = self.behind_commented(key, column, node.range.clone());
                let behind = || self.behind_comments(self.line_end(node.range.end), column + 1);
                let at = commented.unwrap_or_else(behind);
                Ok(vec![self.lines_at(at, &with)])
            }
            Shape::Map(Form::Flow, entries) => {
                render::pair(key, value, self.quotes(entries), &mut with);
                let last = entries.last().map(|last| last.at.start..last.value.range.end);
                Ok(vec![self.in_brackets(node, last, &with)])
            }
            Shape::Empty if around == Form::Block && !node.marked => {
                let entry = entry.ok_or_else(|| Why::new(node.range.start, "is nothing"))?;
                let column = self.column(entry.at.start) + 2;
                render::entry(key, value, self.lines(column), &mut with);
                let commented = self.behind_commented(key, column, entry.at.clone());
                let at = commented.unwrap_or_else(|| self.line_end(entry.at.end));
                Ok(vec![self.lines_at(at, &with)])
            }
            Shape::Empty | Shape::Scalar => {
                let given = Given::Map(vec![(key.to_owned(), value.clone())]);
                self.replace(spot, &given)
            }
            Shape::List(..) => Err(Why::new(node.range.start, "is not written as keys and values")),
        }
    }

    /// Adds something to a collection in brackets, behind its `last`; on a line of its own where that one has one.
    fn in_brackets(&self, node: &Node, last: Option<Range<usize>>, written: &str) -> Splice {
        let Some(last) = last else {
            let brackets = self.written(node.range.clone());
            let (open, close) = if brackets.starts_with('{') { ("{ ", " }") } else { ("[", "]") };
            let range = node.range.clone();
            return Splice { range, with: format!("{open}{written}{close}") };
        };
        let with = if self.is_first(last.start) {
            format!(",{}{:indent$}{written}", self.newline, "", indent = self.column(last.start))
        } else {
            format!(", {written}")
        };
        Splice { range: last.end..last.end, with }
    }

    /// How keys and texts are written in a list of mappings.
    fn quotes_of_items(&self, items: &[Node]) -> render::Quotes {
        match items.last().map(|last| &last.shape) {
            Some(Shape::Map(_, entries)) => self.quotes(entries),
            _ => render::Quotes::Needed,
        }
    }

    /// The first item of a list that is empty or not there.
    fn first_item(&self, spot: Spot<'_>, given: &Given) -> Result<Vec<Splice>, Why> {
        let entry = spot.entry.ok_or_else(|| Why::new(spot.node.range.start, "is nothing"))?;
        let mut with = String::new();
        render::item(given, self.lines(self.column(entry.at.start) + 2), &mut with);
        let at = self.line_end(spot.node.range.end);
        let brackets = Splice { range: spot.node.range.clone(), with: String::new() };
        Ok(vec![brackets, self.lines_at(at, &with)])
    }

    /// An item behind the last one of a block, apart from it by a blank line where the others are.
    fn behind_last(&self, node: &Node, items: &[Node], given: &Given) -> Result<Splice, Why> {
        let last = items.last().ok_or_else(|| Why::new(node.range.start, "is not a list"))?;
        let dash = self.dash(last)?;
        let column = self.column(dash);
        let mut with = String::new();
        let above = self.above_comments(self.line_start(dash), column);
        if items.len() > 1 && above > 0 && self.is_blank(self.line_start(above - 1)) {
            with.push_str(self.newline);
        }
        let quotes = self.quotes_of_items(items);
        render::item(given, Lines { quotes, ..self.lines(column) }, &mut with);
        let at = self.behind_comments(self.line_end(last.range.end), column + 1);
        Ok(self.lines_at(at, &with))
    }
}
