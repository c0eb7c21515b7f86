//! Where each value of a YAML text stands: the same tree as the loader's, with ranges of bytes in place of the values.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::Why;

/// A value's place in the text.
#[derive(Debug)]
pub(super) struct Node {
    /// From its first byte to the one behind its last; comments behind it are not in it.
    pub(super) range: Range<usize>,
    /// Whether an anchor (`&x`) or a tag (`!x`) stands before it.
    pub(super) marked: bool,
    pub(super) shape: Shape,
}

/// What stands there.
#[derive(Debug)]
pub(super) enum Shape {
    /// Nothing: the range is empty.
    Empty,
    /// A text of any style, or an alias.
    Scalar,
    List(Form, Vec<Node>),
    Map(Form, Vec<Entry>),
}

/// How a collection is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One line or more for each item.
    Block,
    /// In brackets.
    Flow,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// The key, its quotes included.
    pub(super) at: Range<usize>,
    pub(super) value: Node,
}

/// Finds the values of a text without a byte order mark; `None` when there is no document.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Why> {
    let offsets = text.char_indices().map(|(offset, _)| offset).chain([text.len()]).collect();
    let mut builder = Builder { text, offsets, parser: Parser::new_from_str(text) };
    loop {
        match builder.next()? {
            (Event::StreamEnd, _) => return Ok(None),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
            (event, range) => return builder.node(&event, range, 0).map(Some),
        }
    }
}

struct Builder<'a> {
    text: &'a str,
    /// The parser counts characters; this is where each begins.
    offsets: Vec<usize>,
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Range<usize>), Why> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, self.bytes(span))),
            Some(Err(error)) => {
                let at = self.offset(error.marker().index());
                Err(Why::new(at, "is not valid YAML"))
            }
            None => Ok((Event::StreamEnd, self.text.len()..self.text.len())),
        }
    }

    fn offset(&self, character: usize) -> usize {
        self.offsets.get(character).copied().unwrap_or(self.text.len())
    }

    fn bytes(&self, span: Span) -> Range<usize> {
        let start = self.offset(span.start.index());
        start..self.offset(span.end.index()).max(start)
    }

    /// The node of an event; `from` is where it can begin at the earliest, behind its key's colon.
    fn node(&mut self, event: &Event<'a>, range: Range<usize>, from: usize) -> Result<Node, Why> {
        let (start, marked) = self.behind_marks(range.start);
        match event {
            Event::Scalar(value, style, ..) => {
                Ok(self.scalar(value, *style, start..range.end, (from, marked)))
            }
            Event::Alias(_) => Ok(Node { range, marked, shape: Shape::Scalar }),
            Event::SequenceStart(..) => self.list(start, marked),
            Event::MappingStart(..) => self.map(start, marked),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Err(Why::new(range.start, "is not valid YAML")),
        }
    }

    fn scalar(
        &self,
        value: &str,
        style: ScalarStyle,
        span: Range<usize>,
        (from, marked): (usize, bool),
    ) -> Node {
        let range = match style {
            ScalarStyle::Plain if value.is_empty() => {
                let at = if marked { span.start } else { from };
                return Node { range: at..at, marked, shape: Shape::Empty };
            }
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                span.start..self.closing_quote(span.start)
            }
            // The parser leaves out the header of a block, and takes in what is between it and the next key.
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let start = if marked { span.start } else { self.behind_space(from) };
                start..self.trimmed(span)
            }
            ScalarStyle::Plain => span.start..self.trimmed(span),
        };
        Node { range, marked, shape: Shape::Scalar }
    }

    fn list(&mut self, start: usize, marked: bool) -> Result<Node, Why> {
        let form = self.form(start);
        let mut items = Vec::new();
        loop {
            let (event, range) = self.next()?;
            if event == Event::SequenceEnd {
                let range = self.whole(form, start, &range, items.last());
                return Ok(Node { range, marked, shape: Shape::List(form, items) });
            }
            let from = range.start;
            items.push(self.node(&event, range, from)?);
        }
    }

    fn map(&mut self, start: usize, marked: bool) -> Result<Node, Why> {
        let form = self.form(start);
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, range) = self.next()?;
            if event == Event::MappingEnd {
                let last = entries.last().map(|entry| &entry.value);
                let range = self.whole(form, start, &range, last);
                return Ok(Node { range, marked, shape: Shape::Map(form, entries) });
            }
            let Event::Scalar(key, style, ..) = &event else {
                return Err(Why::new(range.start, "has a key that is not a text"));
            };
            let key_node = self.scalar(key, *style, range.clone(), (range.start, false));
            let colon = self.behind_space(key_node.range.end);
            if !self.text.get(colon..).is_some_and(|rest| rest.starts_with(':')) {
                return Err(Why::new(
                    range.start,
                    "has a key in a form that is too rare to change",
                ));
            }
            let (value, range) = self.next()?;
            let value = self.node(&value, range, colon + 1)?;
            entries.push(Entry { key: key.clone().into_owned(), at: key_node.range, value });
        }
    }

    /// Block or flow, by the character that it begins with.
    fn form(&self, start: usize) -> Form {
        match self.text.as_bytes().get(start) {
            Some(b'{' | b'[') => Form::Flow,
            Some(_) | None => Form::Block,
        }
    }

    fn whole(
        &self,
        form: Form,
        start: usize,
        end: &Range<usize>,
        last: Option<&Node>,
    ) -> Range<usize> {
        let end = match form {
            Form::Flow => end.start.saturating_add(1).min(self.text.len()),
            Form::Block => last.map_or(start, |last| last.range.end),
        };
        start..end.max(start)
    }

    /// Where the value begins whose anchor or tag begins here, and whether there is one.
    fn behind_marks(&self, start: usize) -> (usize, bool) {
        let mut at = start;
        while let Some(rest) = self.text.get(at..)
            && rest.starts_with(['&', '!'])
        {
            let mark = rest.find(char::is_whitespace).unwrap_or(rest.len());
            at = self.behind_space(at + mark);
            // Comments and line ends may follow; a value behind them is a block.
            while let Some(rest) = self.text.get(at..)
                && rest.starts_with(['#', '\r', '\n'])
            {
                let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
                at = self.behind_space(at + line);
            }
        }
        (at, at > start)
    }

    fn behind_space(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        at + (rest.len() - rest.trim_start_matches([' ', '\t']).len())
    }

    /// Behind the quote that closes the one here.
    fn closing_quote(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let quote = bytes.get(start).copied();
        let mut at = start + 1;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' if quote == Some(b'"') => at += 1,
                b'\'' if quote == Some(b'\'') && bytes.get(at + 1) == Some(&b'\'') => at += 1,
                _ if Some(byte) == quote => return at + 1,
                _ => {}
            }
            at += 1;
        }
        self.text.len()
    }

    fn trimmed(&self, range: Range<usize>) -> usize {
        let written = self.text.get(range.clone()).unwrap_or_default();
        range.start + written.trim_end().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every value as the text has it, in order.
    fn values(text: &str) -> Vec<&str> {
        fn walk<'a>(node: &Node, text: &'a str, found: &mut Vec<&'a str>) {
            match &node.shape {
                Shape::Empty | Shape::Scalar => found.push(&text[node.range.clone()]),
                Shape::List(form, items) => {
                    if *form == Form::Flow {
                        found.push(&text[node.range.clone()]);
                    }
                    for item in items {
                        walk(item, text, found);
                    }
                }
                Shape::Map(form, entries) => {
                    if *form == Form::Flow {
                        found.push(&text[node.range.clone()]);
                    }
                    for entry in entries {
                        found.push(&text[entry.at.clone()]);
                        walk(&entry.value, text, found);
                    }
                }
            }
        }
        let mut found = Vec::new();
        if let Some(root) = parse(text).unwrap() {
            walk(&root, text, &mut found);
        }
        found
    }

    #[test]
    fn every_value_is_found_where_it_stands() {
        for (text, expected) in [
            ("", vec![]),
            ("# only\n", vec![]),
            (
                "a: 1\r\nü: 'x ''y'  # é\r\nb: \"q\\\"\" # c\r\n",
                vec!["a", "1", "ü", "'x ''y'", "b", "\"q\\\"\""],
            ),
            (
                "a:\n  - x # c\n  - k: v\n    l:\n# c\nb: ~",
                vec!["a", "x", "k", "v", "l", "", "b", "~"],
            ),
            (
                "{ \"a\": 1, b: {c: d} , e: [ f ] }",
                vec![
                    "{ \"a\": 1, b: {c: d} , e: [ f ] }",
                    "\"a\"",
                    "1",
                    "b",
                    "{c: d}",
                    "c",
                    "d",
                    "e",
                    "[ f ]",
                    "f",
                ],
            ),
            (
                "k: >-\n  a\n  b\n\n# c\nl: pl\n  cont # c\nm: |\n  z\n",
                vec!["k", ">-\n  a\n  b", "l", "pl\n  cont", "m", "|\n  z"],
            ),
            (
                "a: &x [1]\nb: *x\nc: &y # c\n  d: e\n",
                vec!["a", "[1]", "1", "b", "*x", "c", "d", "e"],
            ),
            ("k: ${A:-${B:-}} # why", vec!["k", "${A:-${B:-}}"]),
        ] {
            assert_eq!(values(text), expected, "{text}");
        }
    }
}
