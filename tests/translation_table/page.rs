//! The page in Markdown: tables, and the notes below them.

use std::fmt::Write as _;

use levity::dialects::Dialect;

use crate::outcome::{Outcome, model};

/// The heading and the words before the tables of requests.
pub(crate) const REQUESTS: &str = "\
## What a request says

One table for each client dialect, with a column for each dialect that an account may speak.
";

/// The same for answers.
pub(crate) const ANSWERS: &str = "\
## What an answer says

One table for each dialect that an account speaks, with a column for each client dialect.
";

const HEAD: &str = "\
# What translation carries

<!-- Made by tests/translation_table.rs from the code: UPDATE_DOCS=1 cargo test --test translation_table -->

When the account speaks the client's own dialect, nothing is translated: the body passes byte for byte, save the model's name where it is mapped.
This page is about the other pairs.
It is made by a test that says each feature to each dialect and looks at what arrives.

| a cell says | meaning |
| --- | --- |
| yes | It arrives. |
| yes, without `x` | It arrives in part; `x` is told as dropped. |
| dropped `x` | It does not arrive; `x` is told as dropped. |
| 400 (n) | The request is refused; the note names the field and says why. Another account that can take it is tried first. |
| not sent (n) | It does not arrive and is not told; the note says why it need not. |
| – | Accounts of that dialect have nothing of the kind. |

What is dropped is told in the answer's `x-levity-dropped` header and in the log.
A stream's head is out before its end is known, so what only the end of a stream drops is in the log alone.
With `proxy.strict: true`, a drop in a request is a 400 as well.
A field that the gateway does not know, new or misspelt, is dropped and told by its place: `reasoning.mode`, `temprature`.
";

/// A page that grows.
pub(crate) struct Page(String);

impl Page {
    pub(crate) fn new() -> Self {
        let mut page = HEAD.to_owned();
        page.push_str(
            "\nModels of one provider differ in what they take; the tables are made with ",
        );
        let models = Dialect::ALL.map(|dialect| format!("`{}` ({dialect})", model(dialect)));
        let _ = writeln!(page, "{}.", models.join(", "));
        page.push_str(MODELS);
        Self(page)
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&mut self, head: &str) {
        self.0.push('\n');
        self.0.push_str(head);
    }

    pub(crate) fn add(&mut self, table: Table) {
        self.0.push('\n');
        self.0.push_str(&table.finish());
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}

/// Where other models differ from those of the tables.
const MODELS: &str = "\
Claude models from Opus 4.7 on take no sampling parameters (they are dropped), and those from 5.5 on no forced tool call (400).
OpenAI's models without reasoning drop what is said of it.
An `openai_chat` account whose model is not OpenAI's own gets no `prompt_cache_key` and no `verbosity` (they are dropped).
";

/// One table, and its notes.
pub(crate) struct Table {
    text: String,
    columns: usize,
    notes: Vec<String>,
}

impl Table {
    /// A table of what `speaker` says to each of `listeners`.
    pub(crate) fn new(speaker: Dialect, listeners: &[Dialect]) -> Self {
        let mut text = format!("### From `{speaker}`\n\n| |");
        for listener in listeners {
            let _ = write!(text, " to `{listener}` |");
        }
        text.push_str("\n| --- |");
        text.push_str(&" --- |".repeat(listeners.len()));
        text.push('\n');
        Self { text, columns: listeners.len(), notes: Vec::new() }
    }

    /// A heading among the rows.
    pub(crate) fn group(&mut self, name: &str) {
        let _ = writeln!(self.text, "| **{name}** |{}", " |".repeat(self.columns));
    }

    pub(crate) fn row(&mut self, name: &str, outcomes: &[Outcome]) {
        let _ = write!(self.text, "| {name} |");
        for outcome in outcomes {
            let cell = self.cell(outcome);
            let _ = write!(self.text, " {cell} |");
        }
        self.text.push('\n');
    }

    fn cell(&mut self, outcome: &Outcome) -> String {
        let fields = |names: &[String]| {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        };
        match outcome {
            Outcome::Carried => "yes".to_owned(),
            Outcome::Partly(lost) => format!("yes, without {}", fields(lost)),
            Outcome::Dropped(lost) => format!("dropped {}", fields(lost)),
            Outcome::Refused(why) => format!("400 ({})", self.note(why)),
            Outcome::Needless(why) => format!("not sent ({})", self.note(why)),
            Outcome::Silent => "**lost in silence**".to_owned(),
            Outcome::Moot => "–".to_owned(),
        }
    }

    /// The number of a note; the same words are one note.
    fn note(&mut self, why: &str) -> usize {
        let known = self.notes.iter().position(|note| note == why);
        let place = known.unwrap_or_else(|| {
            self.notes.push(why.to_owned());
            self.notes.len() - 1
        });
        place + 1
    }

    fn finish(self) -> String {
        let mut text = self.text;
        if !self.notes.is_empty() {
            text.push('\n');
        }
        for (number, note) in self.notes.iter().enumerate() {
            let _ = writeln!(text, "{}. {note}", number + 1);
        }
        text
    }
}
