//! What each pair of dialects carries: tried with a request and an answer for each feature, written down in
//! `docs/translation.md`.
//!
//! A feature is said in each client's own words (`fixtures/translation`) and translated with and without it. What makes no
//! difference to the outcome and is not told as a loss is a silent loss, and fails, unless the fixture says why it is
//! `needless`. `UPDATE_DOCS=1` rewrites the page.
#![expect(clippy::disallowed_types, reason = "fixtures are JSON, put together here")]
#![expect(clippy::disallowed_methods, reason = "a test asks whether to rewrite the page")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "translation_table/outcome.rs"]
mod outcome;
#[path = "translation_table/page.rs"]
mod page;

use std::fmt::Write as _;
use std::path::Path;

use levity::dialects::Dialect;
use serde_json::Value;

use outcome::{Outcome, answer, request};
use page::{Page, Table};

const REQUESTS: &str = include_str!("fixtures/translation/requests.json");
const ANSWERS: &str = include_str!("fixtures/translation/answers.json");

#[test]
fn the_page_says_what_the_code_does() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/translation.md");
    let page = page();
    if std::env::var("UPDATE_DOCS").is_ok_and(|set| set == "1") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, &page).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    let differing = page.lines().zip(written.lines()).find(|(now, before)| now != before);
    assert!(
        written == page,
        "docs/translation.md is not what the code does; UPDATE_DOCS=1 rewrites it. First difference: {differing:#?}"
    );
}

#[test]
fn nothing_is_lost_in_silence() {
    let mut silent = String::new();
    each_cell(REQUESTS, request, &mut |client, account, row, outcome| {
        if *outcome == Outcome::Silent {
            let _ = writeln!(silent, "request: {row}, {client} to {account}");
        }
    });
    each_cell(ANSWERS, answer, &mut |client, account, row, outcome| {
        if *outcome == Outcome::Silent {
            let _ = writeln!(silent, "answer: {row}, {account} to {client}");
        }
    });
    assert!(silent.is_empty(), "lost and not told:\n{silent}");
}

type Try = fn(Dialect, Dialect, &Feature<'_>) -> Outcome;

/// One feature as one dialect says it: the body that it is added to, and the body with it.
pub(crate) struct Feature<'a> {
    name: &'a str,
    without: Value,
    with: Value,
    /// Why it need not arrive where it does not.
    needless: Option<&'a str>,
}

/// The rows of a fixture, in its order: headings of groups among them.
struct Fixture(Value);

impl Fixture {
    fn new(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    fn rows(&self) -> impl Iterator<Item = &Value> {
        self.0["rows"].as_array().unwrap().iter()
    }

    /// A row's feature in a dialect that has it.
    fn feature<'r>(&self, row: &'r Value, dialect: Dialect) -> Option<Feature<'r>> {
        let patch = row.get(dialect.name())?;
        let without = self.base(row["with"].as_str(), dialect);
        let mut with = without.clone();
        lay(&mut with, patch);
        Some(Feature {
            name: row["row"].as_str()?,
            without,
            with,
            needless: row["needless"].as_str(),
        })
    }

    fn base(&self, row: Option<&str>, dialect: Dialect) -> Value {
        let mut body = self.0["base"][dialect.name()].clone();
        let Some(name) = row else { return body };
        let row = self.rows().find(|row| row["row"] == name);
        let row = row.unwrap_or_else(|| panic!("there is no row {name:?}"));
        body = self.base(row["with"].as_str(), dialect);
        if let Some(patch) = row.get(dialect.name()) {
            lay(&mut body, patch);
        }
        body
    }
}

/// Lays a patch over a body: objects are joined, anything else is replaced.
fn lay(body: &mut Value, patch: &Value) {
    match (body, patch) {
        (Value::Object(body), Value::Object(patch)) => {
            for (key, value) in patch {
                lay(body.entry(key).or_insert(Value::Null), value);
            }
        }
        (body, patch) => *body = patch.clone(),
    }
}

/// Tries each row between each pair of different dialects.
fn each_cell(fixture: &str, attempt: Try, each: &mut dyn FnMut(Dialect, Dialect, &str, &Outcome)) {
    let fixture = Fixture::new(fixture);
    let features_of_answers = fixture.0["base"]["gemini"].get("candidates").is_some();
    for client in Dialect::ALL {
        for account in Dialect::ALL {
            let speaker = if features_of_answers { account } else { client };
            for row in fixture.rows().filter(|_| client != account) {
                if let Some(feature) = fixture.feature(row, speaker) {
                    each(client, account, feature.name, &attempt(client, account, &feature));
                }
            }
        }
    }
}

fn page() -> String {
    let mut page = Page::new();
    let fixture = Fixture::new(REQUESTS);
    page.chapter(page::REQUESTS);
    for client in Dialect::ALL {
        page.add(table(&fixture, client, |account, feature| request(client, account, feature)));
    }
    let fixture = Fixture::new(ANSWERS);
    page.chapter(page::ANSWERS);
    for account in Dialect::ALL {
        page.add(table(&fixture, account, |client, feature| answer(client, account, feature)));
    }
    page.finish()
}

/// The table of what one dialect says, with a column for each that it may be said to.
fn table(
    fixture: &Fixture,
    speaker: Dialect,
    attempt: impl Fn(Dialect, &Feature<'_>) -> Outcome,
) -> Table {
    let listeners: Vec<Dialect> =
        Dialect::ALL.into_iter().filter(|listener| *listener != speaker).collect();
    let mut table = Table::new(speaker, &listeners);
    for row in fixture.rows() {
        if let Some(name) = row["group"].as_str() {
            table.group(name);
        } else if let Some(feature) = fixture.feature(row, speaker) {
            let outcomes = listeners.iter().map(|listener| attempt(*listener, &feature));
            table.row(feature.name, &outcomes.collect::<Vec<_>>());
        }
    }
    table
}
