//! Takes the tree apart key by key, and gathers everything that is wrong on the way.

use std::collections::BTreeSet;
use std::path::Path;

use super::Secret;
use super::environment::{Environment, Fault};
use super::forms::Wrong;
use super::problem::{Place, Problem, alternatives, nearest};
use super::yaml::{Entry, Node, Scalar, Style, Value};

/// What is gathered over all sections.
pub(super) struct Reader<'a> {
    environment: &'a Environment,
    file: Option<&'a Path>,
    /// Wrong enough to refuse the configuration.
    problems: Vec<Problem>,
    /// Worth knowing, and no reason to refuse.
    pub(super) warnings: Vec<String>,
    /// Every key that was asked for, as section and key: the schema.
    schema: Vec<(String, &'static str)>,
    unknown: Vec<Unknown>,
}

/// A mapping that is being read: each key is taken out of it once.
pub(super) struct Section {
    path: String,
    place: Place,
    entries: Vec<Entry>,
    taken: Vec<(&'static str, Place)>,
}

/// One entry of a mapping whose keys are the owner's own.
pub(super) struct Pair {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) key: String,
    pub(super) scalar: Scalar,
}

/// What is known of a provider's or client's key.
pub(super) enum Key {
    /// Not written, or written as nothing.
    Absent,
    /// Written as `${NAME}`, and that is not set.
    Unset(String),
    /// Written with an empty default (`${NAME:-}`), and that is what it is.
    Blank,
    /// Not a key, and reported.
    Refused,
    /// Here it is.
    Known(Secret),
}

struct Unknown {
    place: Place,
    path: String,
    key: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(environment: &'a Environment, file: Option<&'a Path>) -> Self {
        Self {
            environment,
            file,
            problems: Vec::new(),
            warnings: Vec::new(),
            schema: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Every problem, in file order; none when all is well.
    pub(super) fn problems(mut self) -> Vec<Problem> {
        for unknown in std::mem::take(&mut self.unknown) {
            let problem = self.unknown_key(&unknown);
            self.problems.push(problem);
        }
        self.problems.sort();
        self.problems
    }

    /// Every key that was asked for.
    #[cfg(test)]
    pub(super) fn schema(&self) -> &[(String, &'static str)] {
        &self.schema
    }

    /// The top of the file.
    pub(super) fn root(&mut self, node: Node) -> Section {
        self.open(String::new(), node)
    }

    /// The mapping at `key`; an absent one is empty.
    pub(super) fn section(&mut self, parent: &mut Section, key: &'static str) -> Section {
        let path = join(&parent.path, key);
        let node = self.take(parent, key).unwrap_or_else(Node::empty_map);
        self.open(path, node)
    }

    /// The list of mappings at `key`.
    pub(super) fn sections(&mut self, parent: &mut Section, key: &'static str) -> Vec<Section> {
        let items = self.list(parent, key).unwrap_or_default();
        items.into_iter().map(|(path, node)| self.open(path, node)).collect()
    }

    /// The value at `key` in the given form.
    pub(super) fn value<T>(
        &mut self,
        section: &mut Section,
        key: &'static str,
        form: impl Fn(&Scalar) -> Result<T, Wrong>,
    ) -> Option<T> {
        let path = join(&section.path, key);
        let node = self.take(section, key)?;
        self.convert(&path, node, form)
    }

    /// The value at `key`, which must be written.
    pub(super) fn required<T>(
        &mut self,
        section: &mut Section,
        key: &'static str,
        form: impl Fn(&Scalar) -> Result<T, Wrong>,
    ) -> Option<T> {
        let expected = wanted(&form);
        let before = self.problems.len();
        let value = self.value(section, key, form);
        if value.is_none() && self.problems.len() == before {
            self.complain(section, key, &format!("is missing; expected {expected}"));
        }
        value
    }

    /// The list of values at `key`, each in the given form.
    pub(super) fn values<T>(
        &mut self,
        section: &mut Section,
        key: &'static str,
        form: impl Fn(&Scalar) -> Result<T, Wrong>,
    ) -> Option<Vec<T>> {
        let items = self.list(section, key)?;
        if items.is_empty() {
            self.complain(section, key, "the list is empty; leave the key out for the default");
        }
        let convert = |(path, node): (String, Node)| self.convert(&path, node, &form);
        Some(items.into_iter().filter_map(convert).collect())
    }

    /// The mapping at `key`, whose keys are the owner's own, in file order.
    pub(super) fn pairs(&mut self, section: &mut Section, key: &'static str) -> Vec<Pair> {
        let inner = self.section(section, key);
        let pair = |entry: Entry| {
            let path = format!("{}.\"{}\"", inner.path, shown(&entry.key));
            let place = entry.node.place;
            let scalar = self.scalar(&path, entry.node, "a text")?;
            Some(Pair { place, path, key: entry.key, scalar })
        };
        inner.entries.into_iter().filter_map(pair).collect()
    }

    /// The key or token at `key`; never quoted, and its variable may be unset.
    pub(super) fn secret(&mut self, section: &mut Section, key: &'static str) -> Key {
        let found = self.phrase(section, key);
        if let Key::Known(secret) = &found
            && !secret.expose().bytes().all(|byte| byte.is_ascii_graphic())
        {
            self.complain(section, key, "has a character that cannot stand in an HTTP header");
            return Key::Refused;
        }
        found
    }

    /// The same for a secret that is no header's value: it may have spaces and lines.
    pub(super) fn phrase(&mut self, section: &mut Section, key: &'static str) -> Key {
        let Some(node) = self.take(section, key) else { return Key::Absent };
        let Value::Scalar(written) = &node.value else {
            self.complain(section, key, &format!("expected a text, found {}", node.value.kind()));
            return Key::Refused;
        };
        let expanded = match (written.style, self.environment.expand(&written.text)) {
            (Style::Given, _) => written.text.clone(),
            (_, Ok(expanded)) => expanded,
            (_, Err(Fault::Unset(name))) => return Key::Unset(name),
            (_, Err(Fault::Malformed)) => {
                self.complain(section, key, MALFORMED);
                return Key::Refused;
            }
        };
        match expanded.trim() {
            "" if written.text.contains("${") => Key::Blank,
            "" => Key::Absent,
            secret => Key::Known(Secret::new(secret)),
        }
    }

    /// Ends a section: what was not asked for is unknown.
    pub(super) fn finish(&mut self, section: Section) {
        let Section { path, entries, .. } = section;
        self.unknown.extend(entries.into_iter().map(|entry| Unknown {
            place: entry.node.place,
            path: path.clone(),
            key: entry.key,
        }));
    }

    /// Records what is wrong with a key of a section.
    pub(super) fn complain(&mut self, section: &Section, key: &str, message: &str) {
        self.complain_with_hint(section, key, message, None);
    }

    /// Records what is wrong with a key of a section, and what to do about it.
    pub(super) fn complain_with_hint(
        &mut self,
        section: &Section,
        key: &str,
        message: &str,
        hint: Option<String>,
    ) {
        let place = section.place_of(key);
        let message = format!("{}: {message}", join(&section.path, key));
        let problem = Problem::new(place, self.file, message);
        self.problems.push(match hint {
            Some(hint) => problem.with_hint(hint),
            None => problem,
        });
    }

    /// The first of these variables that is set, and its value.
    pub(super) fn variable(&self, names: &[&'static str]) -> Option<(&'static str, &'a str)> {
        names.iter().find_map(|name| Some((*name, self.environment.get(name)?)))
    }

    /// Records what is wrong with a variable that stands for no key.
    pub(super) fn complain_of_variable(&mut self, name: &'static str, message: &str) {
        self.problems.push(Problem::new(Place::Variable(name), None, message.to_owned()));
    }

    /// Records what is wrong with a pair.
    pub(super) fn complain_of_pair(&mut self, pair: &Pair, message: &str) {
        let message = format!("{}: {message}", pair.path);
        self.problems.push(Problem::new(pair.place, self.file, message));
    }

    /// Converts a pair's value.
    pub(super) fn pair_value<T>(
        &mut self,
        pair: &Pair,
        form: impl Fn(&Scalar) -> Result<T, Wrong>,
    ) -> Option<T> {
        form(&pair.scalar).map_err(|wrong| self.wrong(pair.place, &pair.path, &wrong)).ok()
    }

    fn open(&mut self, path: String, node: Node) -> Section {
        let mut section = Section { path, place: node.place, entries: vec![], taken: vec![] };
        match node.value {
            Value::Null => {}
            Value::Map(entries) => section.entries = entries,
            value @ (Value::Scalar(_) | Value::List(_)) => {
                let of = if section.path.is_empty() { "the file" } else { &section.path };
                let message = format!("{of}: expected keys and values, found {}", value.kind());
                self.problems.push(Problem::new(section.place, self.file, message));
            }
        }
        let mut seen = BTreeSet::new();
        for Entry { key, node } in &section.entries {
            if !seen.insert(key) {
                let message = format!("{}: written twice", join(&section.path, shown(key)));
                self.problems.push(Problem::new(node.place, self.file, message));
            }
        }
        section
    }

    /// Takes a key's value out of its section; an empty value is an absent one.
    fn take(&mut self, section: &mut Section, key: &'static str) -> Option<Node> {
        self.schema.push((section.path.clone(), key));
        let mut found = None;
        // A key that is written twice was reported; its first value stands for it from here on.
        while let Some(index) = section.entries.iter().position(|entry| entry.key == key) {
            let entry = section.entries.remove(index);
            section.taken.push((key, entry.node.place));
            found = found.or(Some(entry.node));
        }
        found.filter(|node| !matches!(node.value, Value::Null))
    }

    fn list(&mut self, section: &mut Section, key: &'static str) -> Option<Vec<(String, Node)>> {
        let path = join(&section.path, key);
        let node = self.take(section, key)?;
        let Value::List(items) = node.value else {
            self.complain(section, key, &format!("expected a list, found {}", node.value.kind()));
            return None;
        };
        let numbered = items.into_iter().enumerate();
        Some(numbered.map(|(index, node)| (format!("{path}[{index}]"), node)).collect())
    }

    fn convert<T>(
        &mut self,
        path: &str,
        node: Node,
        form: impl Fn(&Scalar) -> Result<T, Wrong>,
    ) -> Option<T> {
        let place = node.place;
        let scalar = self.scalar(path, node, &wanted(&form))?;
        form(&scalar).map_err(|wrong| self.wrong(place, path, &wrong)).ok()
    }

    /// The scalar of a node, with its variables filled in.
    fn scalar(&mut self, path: &str, node: Node, expected: &str) -> Option<Scalar> {
        let Node { place, value } = node;
        let scalar = match value {
            Value::Scalar(scalar) => scalar,
            value @ (Value::Null | Value::List(_) | Value::Map(_)) => {
                let message = format!("{path}: expected {expected}, found {}", value.kind());
                self.problems.push(Problem::new(place, self.file, message));
                return None;
            }
        };
        if scalar.style == Style::Given || !scalar.text.contains("${") {
            return Some(scalar);
        }
        match self.environment.expand(&scalar.text) {
            Ok(text) => Some(Scalar { text, style: Style::Given }),
            Err(Fault::Malformed) => {
                let message = format!("{path}: {MALFORMED}");
                self.problems.push(Problem::new(place, self.file, message));
                None
            }
            Err(Fault::Unset(name)) => {
                let message = format!("{path}: the variable {name} is not set");
                let problem = Problem::new(place, self.file, message);
                self.problems.push(problem.with_hint(unset_hint(&name)));
                None
            }
        }
    }

    fn wrong(&mut self, place: Place, path: &str, wrong: &Wrong) {
        let near = wrong.near.map(|near| format!("; did you mean \"{near}\"?"));
        let message =
            format!("{path}: expected {}{}", wrong.expected, near.as_deref().unwrap_or_default());
        self.problems.push(Problem::new(place, self.file, message));
    }

    fn unknown_key(&self, unknown: &Unknown) -> Problem {
        let Unknown { place, path, key } = unknown;
        let siblings = || self.schema.iter().filter(|(section, _)| section == path);
        let elsewhere = || {
            let mut found = self.schema.iter().filter(|(_, name)| name == key);
            found.next().map(|(section, name)| join(section, name))
        };
        let guess = nearest(key, siblings().map(|(_, name)| *name)).map(ToOwned::to_owned);
        let advice = match guess.or_else(elsewhere) {
            Some(guess) => format!("; did you mean \"{guess}\"?"),
            None => format!("; expected {}", alternatives(siblings().map(|(_, name)| *name))),
        };
        let message = format!("unknown key \"{}\"{advice}", join(path, shown(key)));
        Problem::new(*place, self.file, message)
    }
}

impl Section {
    /// Where a key that was taken stands; the section itself when it is not there.
    fn place_of(&self, key: &str) -> Place {
        let found = self.taken.iter().find(|(taken, _)| *taken == key);
        found.map_or(self.place, |(_, place)| *place)
    }
}

/// What a form takes: it says so when asked about an empty text.
fn wanted<T>(form: impl Fn(&Scalar) -> Result<T, Wrong>) -> String {
    let empty = Scalar { text: String::new(), style: Style::Plain };
    form(&empty).err().map_or_else(String::new, |wrong| wrong.expected)
}

const MALFORMED: &str = "expected ${NAME} or ${NAME:-default}";

/// What to do about a variable that is not set.
fn unset_hint(name: &str) -> String {
    format!("set {name}, or give it a default: ${{{name}:-default}}")
}

/// A key as a message may show it: a secret that slipped into a key's place is not repeated.
fn shown(key: &str) -> &str {
    const LONGEST: usize = 32;
    if key.len() > LONGEST || key.starts_with("sk-") { "…" } else { key }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
