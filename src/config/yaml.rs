//! YAML text → a tree that knows its lines, so that every later complaint can name one.

use std::collections::BTreeMap;
use std::path::Path;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::problem::{Place, Problem};

/// Deeper than any configuration, shallow enough to recurse.
const MAX_DEPTH: usize = 24;
/// More nodes than any configuration has; keeps aliases of aliases from filling the memory.
const MAX_NODES: usize = 100_000;

/// A value and where it was written: for a mapping's value, where its key was.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What was written.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

impl Value {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// One key of a mapping with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) node: Node,
}

/// A text and how it was written: not yet a number, a bool or a string.
#[derive(Clone, Debug)]
pub(super) struct Scalar {
    pub(super) text: String,
    pub(super) style: Style,
}

/// What the writing of a scalar says about its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Without quotes: whatever it looks like.
    Plain,
    /// In quotes or as a block: text, even when it looks like a number.
    Quoted,
    /// From the environment or the command line, which have no types: whatever is wanted.
    Given,
}

impl Node {
    /// A mapping without keys.
    pub(super) fn empty_map() -> Self {
        Self { place: Place::Line(1), value: Value::Map(Vec::new()) }
    }

    /// A value that came from outside the file.
    pub(super) fn given(place: Place, text: &str) -> Self {
        let text = text.to_owned();
        Self { place, value: Value::Scalar(Scalar { text, style: Style::Given }) }
    }

    /// Puts `node` at `path`, in place of what stands there.
    pub(super) fn set(&mut self, path: &[&str], node: Self) {
        let Some((key, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if matches!(self.value, Value::Null) {
            self.value = Value::Map(Vec::new());
        }
        // Anything but a mapping here is reported when the file is read.
        let Value::Map(entries) = &mut self.value else { return };
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
            entry.node.set(rest, node);
            return;
        }
        let mut inner = Self { place: node.place, value: Value::Null };
        inner.set(rest, node);
        entries.push(Entry { key: (*key).to_owned(), node: inner });
    }
}

/// Reads the one document of a file; an empty file is an empty mapping.
pub(super) fn parse(text: &str, file: &Path) -> Result<Node, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        text,
        file,
        anchors: BTreeMap::new(),
        nodes: 0,
    };
    let mut root = None;
    loop {
        let (event, span) = builder.next()?;
        match (event, &root) {
            (Event::StreamEnd, _) => return Ok(root.unwrap_or_else(Node::empty_map)),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
            (event, None) => root = Some(builder.node(event, span, 0)?),
            (_, Some(_)) => return Err(builder.problem(span, "only one YAML document is read")),
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    text: &'a str,
    file: &'a Path,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(self.problem(span, "too deeply nested"));
        }
        self.count(1, span)?;
        let (anchor, tag, value) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, tag, scalar(&text, style)),
            Event::SequenceStart(anchor, tag) => (anchor, tag, self.list(depth)?),
            Event::MappingStart(anchor, tag) => (anchor, tag, self.map(depth)?),
            Event::Alias(anchor) => (0, None, self.alias(anchor, span)?),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(self.problem(span, "not valid YAML")),
        };
        if tag.is_some() {
            return Err(self.problem(span, "YAML tags (!…) are not supported"));
        }
        let node = Node { place: Place::Line(span.start.line()), value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let Event::Scalar(key, ..) = event else {
                return Err(self.problem(span, "a key must be a plain text"));
            };
            let (event, value_span) = self.next()?;
            let mut node = self.node(event, value_span, depth + 1)?;
            node.place = Place::Line(span.start.line());
            entries.push(Entry { key: key.into_owned(), node });
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Value, Problem> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.problem(span, "an alias (*…) stands inside its own anchor (&…)"));
        };
        self.count(size(&node.value), span)?;
        Ok(node.value)
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(self.problem(span, "too large"));
        }
        Ok(())
    }

    fn problem(&self, span: Span, message: &str) -> Problem {
        Problem::new(Place::Line(span.start.line()), Some(self.file), message.to_owned())
    }

    /// The parser's own message, with a hint for the mistakes that people make.
    fn syntax(&self, error: &ScanError) -> Problem {
        let line = error.marker().line();
        let message = format!("not valid YAML: {}", error.info());
        let problem = Problem::new(Place::Line(line), Some(self.file), message);
        // The parser may stop on the line after the one that is wrong.
        let around = self.text.lines().skip(line.saturating_sub(2)).take(2);
        let around = around.collect::<Vec<_>>().join("\n");
        if around.contains('\t') {
            problem.with_hint("indent with spaces; YAML takes no tabs")
        } else if around.contains("${") {
            problem.with_hint("inside { } or [ ] write \"${NAME}\" with quotes")
        } else if around.contains('*') {
            problem.with_hint("a pattern that begins with * needs quotes: \"*\"")
        } else {
            problem
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match style {
        ScalarStyle::Plain if matches!(text, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        ScalarStyle::Plain => Value::Scalar(Scalar { text: text.to_owned(), style: Style::Plain }),
        ScalarStyle::SingleQuoted
        | ScalarStyle::DoubleQuoted
        | ScalarStyle::Literal
        | ScalarStyle::Folded => {
            Value::Scalar(Scalar { text: text.to_owned(), style: Style::Quoted })
        }
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Scalar(_) => 1,
        Value::List(items) => items.iter().map(|item| size(&item.value)).sum::<usize>() + 1,
        Value::Map(entries) => {
            entries.iter().map(|entry| size(&entry.node.value)).sum::<usize>() + 1
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree on one line: `key@line=value`.
    fn show(node: &Node) -> String {
        match &node.value {
            Value::Null => "null".to_owned(),
            Value::Scalar(scalar) if scalar.style == Style::Plain => scalar.text.clone(),
            Value::Scalar(scalar) => format!("{:?}", scalar.text),
            Value::List(items) => {
                format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" "))
            }
            Value::Map(entries) => {
                let entry = |entry: &Entry| {
                    let Place::Line(line) = entry.node.place else { panic!("no line") };
                    format!("{}@{line}={}", entry.key, show(&entry.node))
                };
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn keeps_lines_and_styles() {
        for (text, expected) in [
            ("", "{}"),
            ("# only a comment\n", "{}"),
            ("\u{feff}a: 1", "{a@1=1}"),
            ("a: 1\nb: '1'\nc:\n", "{a@1=1 b@2=\"1\" c@3=null}"),
            ("a:\n  b:\n    - x\n    - {c: d}\n", "{a@1={b@2=[x {c@4=d}]}}"),
            ("auth_mode: off", "{auth_mode@1=off}"),
            ("k: ${GEMINI_API_KEY:-}\n", "{k@1=${GEMINI_API_KEY:-}}"),
            ("k: ${A:-${B:-}} # why", "{k@1=${A:-${B:-}}}"),
            ("a: &x [1, 2]\nb: *x", "{a@1=[1 2] b@2=[1 2]}"),
        ] {
            let tree = parse(text, Path::new("f")).unwrap();
            assert_eq!(show(&tree), expected, "{text}");
        }
    }

    #[test]
    fn names_the_line_of_a_mistake() {
        let tenfold =
            |n: usize| format!("a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 10].join(", "));
        let bomb = std::iter::once("a0: &a0 [x]".to_owned()).chain((1..9).map(tenfold));
        let bomb = bomb.collect::<Vec<_>>().join("\n");
        let deep = "[".repeat(1000);
        for (text, expected) in [
            ("a: 1\nb: [1\n", "f:"),
            ("a: 1\n\tb: 2\n", "f:1: not valid YAML: "),
            ("a: 1\n---\nb: 2\n", "f:3: only one YAML document is read"),
            ("a: !!str 1\n", "f:1: YAML tags (!…) are not supported"),
            ("a: 1\n? [x]\n: 2\n", "f:2: a key must be a plain text"),
            ("a: &x [*x]\n", "f:1: "),
            (&bomb, "f:6: too large"),
            (&deep, "f:1: "),
        ] {
            let problem = parse(text, Path::new("f")).unwrap_err().to_string();
            assert!(problem.starts_with(expected), "{text}: {problem}");
        }
    }

    #[test]
    fn hints_at_the_usual_mistakes() {
        for (text, expected) in [
            ("a:\n\tb: 1\n", "tabs"),
            ("a: { api_key: ${KEY} }\n", "quotes"),
            ("models: [*]\n", "quotes"),
        ] {
            let problem = parse(text, Path::new("f")).unwrap_err();
            assert!(problem.hint().unwrap_or_default().contains(expected), "{problem:?}");
        }
    }

    #[test]
    fn sets_a_value_over_the_file() {
        let mut tree = parse("proxy:\n  port: 1\nconsole:\n", Path::new("f")).unwrap();
        for path in [["proxy", "port"], ["proxy", "threads"], ["console", "port"], ["x", "y"]] {
            tree.set(&path, Node::given(Place::Flag("--f"), "9"));
        }
        let Value::Map(entries) = &tree.value else { panic!("no mapping") };
        assert_eq!(entries.len(), 3);
        let Value::Map(proxy) = &entries[0].node.value else { panic!("no mapping") };
        assert_eq!(proxy[0].node.place, Place::Flag("--f"));
        assert_eq!(proxy.len(), 2);
    }
}
