//! A history that is sent again with every request: kept once, and read as it was sent.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use levity::store::resolve::Audience;
use levity::store::{FILE, Limits, Store};
use proptest::prelude::*;
use rusqlite::Connection;

use super::support::*;

const NOW: u64 = 1000;

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    (folder, path)
}

/// A store that remembers nothing but what is in the file.
fn open(path: &Path, limits: Limits) -> Store {
    Store::open(path.to_owned(), Limits { memory: 0, ..limits }, NOW)
}

/// An item of two kilobytes.
fn item(words: &str) -> String {
    format!(r#"{{"role":"user","content":"{words} {}"}}"#, "x".repeat(2000))
}

fn array(items: &[String]) -> String {
    format!("[{}]", items.join(", "))
}

async fn send(store: &Store, id: &str, items: &[String], created: u64) {
    let turn = request(store, &format!(r#"{{"input":{}}}"#, array(items))).await.unwrap();
    store.keep(record(&turn, id, &said(&format!("m-{id}"), "b"), CLAUDE, created));
}

async fn input_of(store: &Store, id: &str) -> Option<String> {
    store.find(id).await.unwrap().map(|record| record.input().to_owned())
}

fn holds(path: &Path, words: &str) -> bool {
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    [path.to_owned(), wal]
        .iter()
        .filter_map(|file| fs::read(file).ok())
        .any(|bytes| bytes.windows(words.len()).any(|window| window == words.as_bytes()))
}

fn count(path: &Path, query: &str) -> u64 {
    let file = Connection::open(path).unwrap();
    file.query_row(&format!("SELECT count(*) FROM {query}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn what_is_sent_again_is_kept_once() {
    let (_folder, path) = place();
    let store = open(&path, Limits::default());
    let items: Vec<String> = (0..100).map(|number| item(&format!("word{number}."))).collect();
    for turn in 3..=100 {
        send(&store, &format!("r{turn}"), &items[..turn], NOW).await;
        send(&store, &format!("again{turn}"), &items[..turn], NOW).await;
    }
    for turn in 3..=100 {
        for name in ["r", "again"] {
            let input = input_of(&store, &format!("{name}{turn}")).await;
            assert_eq!(input, Some(array(&items[..turn])), "{name}{turn}");
        }
    }
    store.close();
    let size = fs::metadata(&path).unwrap().len();
    assert!(size < 1 << 20, "{size} bytes for twenty million");
}

#[tokio::test]
async fn an_input_that_differs_somewhere_is_kept_as_it_is() {
    let (_folder, path) = place();
    let store = open(&path, Limits::default());
    let first = [item("a"), item("b"), item("c")];
    send(&store, "r0", &first, NOW).await;
    let other = [item("a"), item("B"), item("c"), item("d")];
    send(&store, "r1", &other, NOW).await;
    let shorter = &first[..2];
    send(&store, "r2", shorter, NOW).await;
    assert_eq!(input_of(&store, "r1").await, Some(array(&other)));
    assert_eq!(input_of(&store, "r2").await, Some(array(shorter)));
    assert_eq!(count(&path, "inputs WHERE base IS NULL"), 2, "the short one stands in its row");
}

#[tokio::test]
async fn items_that_are_sent_again_are_found() {
    let (_folder, path) = place();
    let store = open(&path, Limits::default());
    let named = |id: &str| item("a").replace(r#"{"role""#, &format!(r#"{{"id":"{id}","role""#));
    let items = [named("i0"), named("i1"), named("i2"), named("i3")];
    send(&store, "r0", &items[..3], NOW).await;
    send(&store, "r1", &items, NOW).await;
    for id in ["i0", "i3"] {
        let asked = format!(r#"{{"input":[{{"type":"item_reference","id":"{id}"}}]}}"#);
        assert!(request(&store, &asked).await.is_ok(), "{id}");
    }
    assert_eq!(count(&path, "items WHERE response = 'r1' AND id = 'i3'"), 1);
}

#[tokio::test]
async fn words_go_with_the_last_response_that_has_them() {
    let (_folder, path) = place();
    let store = open(&path, Limits::default());
    let items = [item("first"), item("second"), item("third"), item("fourth"), item("fifth")];
    send(&store, "r0", &items[..3], NOW).await;
    send(&store, "r1", &items[..4], NOW).await;
    send(&store, "r2", &items, NOW).await;
    assert!(store.remove("r0").await.unwrap());
    assert_eq!(input_of(&store, "r0").await, None);
    assert_eq!(input_of(&store, "r2").await, Some(array(&items)));
    assert!(store.remove("r2").await.unwrap());
    assert_eq!(input_of(&store, "r1").await, Some(array(&items[..4])));
    assert!(!holds(&path, "fifth") && holds(&path, "fourth") && holds(&path, "third"));
    assert!(store.remove("r1").await.unwrap());
    assert!(!holds(&path, "fourth") && !holds(&path, "first"));
    assert_eq!(count(&path, "inputs") + count(&path, "conversations WHERE id > 0"), 0);
}

#[tokio::test]
async fn what_leans_on_each_other_leaves_together() {
    let (_folder, path) = place();
    let limits = Limits { rows: 16, ..Limits::default() };
    let store = open(&path, limits);
    let items: Vec<String> = (0..4).map(|number| item(&format!("old{number}"))).collect();
    send(&store, "old0", &items[..3], NOW).await;
    send(&store, "old1", &items, NOW).await;
    for number in 0..15 {
        let own = [item(&format!("{number}")), item("b"), item("c")];
        send(&store, &format!("r{number}"), &own, NOW + 1 + number).await;
        store.flush().await;
    }
    assert_eq!((input_of(&store, "old0").await, input_of(&store, "old1").await), (None, None));
    assert!(input_of(&store, "r14").await.is_some());
    // What it leaned on is gone, so it stands by itself.
    send(&store, "old2", &items, NOW + 99).await;
    assert_eq!(input_of(&store, "old2").await, Some(array(&items)));
    store.close();
    assert_eq!(count(&path, "inputs"), count(&path, "responses"));
}

#[tokio::test]
async fn not_everything_leans_on_one() {
    let (_folder, path) = place();
    let store = open(&path, Limits::default());
    let items = [item("a"), item("b"), item("c")];
    for number in 0..1100 {
        send(&store, &format!("r{number}"), &items, NOW).await;
    }
    store.flush().await;
    assert_eq!((count(&path, "inputs"), count(&path, "conversations WHERE id > 0")), (3, 3));
}

#[tokio::test]
async fn a_file_of_the_version_before_is_taken_over() {
    let (_folder, path) = place();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let before = Connection::open(&path).unwrap();
    before
        .execute_batch(
            "PRAGMA journal_mode = WAL;
            CREATE TABLE conversations (id INTEGER PRIMARY KEY, used INTEGER NOT NULL);
            CREATE INDEX conversations_by_use ON conversations (used);
            CREATE TABLE responses (
                id TEXT PRIMARY KEY,
                conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE,
                previous TEXT, created INTEGER NOT NULL, account TEXT NOT NULL,
                dialect TEXT NOT NULL, kept_there INTEGER NOT NULL,
                input TEXT NOT NULL, response TEXT NOT NULL
            );
            CREATE INDEX responses_by_conversation ON responses (conversation);
            CREATE TABLE items (
                id TEXT PRIMARY KEY,
                response TEXT NOT NULL REFERENCES responses ON DELETE CASCADE
            ) WITHOUT ROWID;
            CREATE INDEX items_by_response ON items (response);
            INSERT INTO conversations VALUES (1, 900), (2, 950);
            INSERT INTO responses VALUES
                ('r1', 1, NULL, 900, 'claude', 'anthropic', 0, '[{\"role\":\"user\",\"content\":\"a\"}]', '{\"id\":\"r1\",\"output\":[]}'),
                ('r2', 1, 'r1', 900, 'claude', 'anthropic', 0, '[{\"role\":\"user\",\"content\":\"b\"}]', '{\"id\":\"r2\",\"output\":[]}'),
                ('r3', 2, NULL, 950, 'claude', 'anthropic', 0, '[{\"role\":\"user\",\"content\":\"c\"}]', '{\"id\":\"r3\",\"output\":[]}');
            PRAGMA user_version = 1;",
        )
        .unwrap();
    // A gateway of that version may still be at work: it is being taken over.
    let store = open(&path, Limits::default());
    exchange(&store, &going_on("r2", r#""d""#), ("r4", ""), CLAUDE).await;
    exchange(&store, &going_on("r3", r#""e""#), ("r5", ""), CLAUDE).await;
    let items = [item("a"), item("b"), item("c")];
    send(&store, "r6", &items, NOW).await;
    let outline = async |previous: &str| {
        let turn = request(&store, &going_on(previous, "[]")).await.unwrap();
        outline(&turn, Audience::Translation)
    };
    assert_eq!(outline("r4").await, ["a", "b", "d"]);
    assert_eq!(outline("r5").await, ["c", "e"]);
    assert_eq!(input_of(&store, "r6").await, Some(array(&items)));
    let insert = "INSERT INTO responses (conversation, id, previous, created, account, dialect, kept_there, input, response)
         VALUES (2, 'r7', 'r5', 960, 'claude', 'anthropic', 0, '[]', '{\"id\":\"r7\",\"output\":[]}')";
    before.execute(insert, []).unwrap();
    assert_eq!(outline("r7").await, ["c", "e"]);
    let version: i64 = before.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 2);
    assert!(!path.with_extension("db.damaged").exists());
}

/// What happens to a store. Places are of responses so far, modulo their number.
#[derive(Clone, Debug)]
enum Step {
    /// A talk is gone on with by some items and sent whole.
    Longer {
        talk: usize,
        items: usize,
    },
    /// It is sent as it was.
    Again {
        talk: usize,
    },
    /// Its last items are taken back, and it is sent.
    Shorter {
        talk: usize,
        items: usize,
    },
    /// A response is gone on with by its id.
    GoOn {
        from: usize,
    },
    /// An account gives an id that it gave before.
    SameId {
        place: usize,
        talk: usize,
    },
    Remove {
        place: usize,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let talk = 0..3_usize;
    prop_oneof![
        6 => (talk.clone(), 1..4_usize).prop_map(|(talk, items)| Step::Longer { talk, items }),
        2 => talk.clone().prop_map(|talk| Step::Again { talk }),
        1 => (talk.clone(), 1..3_usize).prop_map(|(talk, items)| Step::Shorter { talk, items }),
        2 => any::<usize>().prop_map(|from| Step::GoOn { from }),
        1 => (any::<usize>(), talk).prop_map(|(place, talk)| Step::SameId { place, talk }),
        3 => any::<usize>().prop_map(|place| Step::Remove { place }),
        1 => Just(Step::Reopen),
    ]
}

/// Two gateways on one file, and what a reader must find in it.
struct World {
    path: PathBuf,
    limits: Limits,
    stores: [Store; 2],
    talks: [Vec<String>; 3],
    expected: BTreeMap<String, String>,
    steps: usize,
}

impl World {
    fn new(path: &Path, limits: Limits) -> Self {
        let stores = [0, 1].map(|_| open(path, limits));
        let (talks, expected) = (Default::default(), BTreeMap::new());
        Self { path: path.to_owned(), limits, stores, talks, expected, steps: 0 }
    }

    async fn step(&mut self, step: &Step) {
        self.steps += 1;
        let id = format!("r{}", self.steps);
        match step {
            Step::Longer { talk, items } => {
                let new = (0..*items).map(|number| item(&format!("{}.{number}", self.steps)));
                self.talks[*talk].extend(new);
                self.send(&id, *talk).await;
            }
            Step::Again { talk } => self.send(&id, *talk).await,
            Step::Shorter { talk, items } => {
                let talk_items = &mut self.talks[*talk];
                talk_items.truncate(talk_items.len().saturating_sub(*items));
                self.send(&id, *talk).await;
            }
            Step::GoOn { from } => {
                let Some(previous) = self.id(*from) else { return };
                let store = self.store();
                // It may have left since.
                let Ok(turn) = request(store, &going_on(&previous, r#"[{"go":"on"}]"#)).await
                else {
                    return;
                };
                store.keep(record(&turn, &id, "", CLAUDE, NOW));
                store.flush().await;
                self.expected.insert(id, r#"[{"go":"on"}]"#.to_owned());
            }
            Step::SameId { place, talk } => {
                let Some(id) = self.id(*place) else { return };
                self.send(&id, *talk).await;
            }
            Step::Remove { place } => {
                let Some(id) = self.id(*place) else { return };
                self.store().remove(&id).await.unwrap();
                self.expected.remove(&id);
            }
            Step::Reopen => {
                let gone = self.steps % 2;
                self.stores[gone].close();
                self.stores[gone] = open(&self.path, self.limits);
            }
        }
    }

    fn store(&self) -> &Store {
        &self.stores[self.steps / 3 % 2]
    }

    fn id(&self, place: usize) -> Option<String> {
        let count = self.expected.len();
        self.expected.keys().nth(place.checked_rem(count)?).cloned()
    }

    async fn send(&mut self, id: &str, talk: usize) {
        send(self.store(), id, &self.talks[talk], NOW).await;
        self.store().flush().await;
        self.expected.insert(id.to_owned(), array(&self.talks[talk]));
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever is written, deleted and opened anew, every response reads as it was written, and nothing else is kept.
    #[test]
    fn reads_what_was_written(steps in prop::collection::vec(step(), 1..40)) {
        run(async {
            let (_folder, path) = place();
            let mut world = World::new(&path, Limits::default());
            for step in &steps {
                world.step(step).await;
            }
            for number in 1..=world.steps {
                let id = format!("r{number}");
                let expected = world.expected.get(&id).cloned();
                assert_eq!(input_of(&world.stores[number % 2], &id).await, expected, "{id}");
            }
            for id in world.expected.keys() {
                assert!(world.stores[0].remove(id).await.unwrap(), "{id}");
            }
            assert_eq!(count(&path, "inputs"), 0, "words that nobody has");
        });
    }

    /// Where old ones leave, what stays reads as it was written, and leans on nothing that has left.
    #[test]
    fn reads_what_was_written_or_nothing(steps in prop::collection::vec(step(), 30..60)) {
        run(async {
            let (_folder, path) = place();
            let mut world = World::new(&path, Limits { rows: 12, ..Limits::default() });
            for step in &steps {
                world.step(step).await;
            }
            for (id, expected) in &world.expected {
                let read = input_of(&world.stores[0], id).await;
                assert!(read.is_none_or(|read| read == *expected), "{id}");
            }
            let orphans = "inputs WHERE base IS NOT NULL AND base NOT IN (SELECT id FROM inputs)";
            assert_eq!(count(&path, orphans), 0);
            let lost = "responses WHERE long_input NOT IN (SELECT id FROM inputs)";
            assert_eq!(count(&path, lost), 0);
        });
    }
}
