//! What outlives a restart, what leaves, and what happens when the disk is of no use.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use levity::store::resolve::Audience;
use levity::store::{FILE, Limits, Store};
use rusqlite::Connection;

use super::support::*;

const NOW: u64 = 1000;

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/levity").join(FILE);
    (folder, path)
}

fn open(path: &Path) -> Store {
    Store::open(path.to_owned(), Limits::default(), NOW)
}

/// A store that remembers nothing but what is in the file.
fn open_forgetful(path: &Path, limits: Limits) -> Store {
    Store::open(path.to_owned(), Limits { memory: 0, ..limits }, NOW)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

async fn outline_of(store: &Store, previous: &str) -> Vec<String> {
    let turn = request(store, &going_on(previous, r#""next""#)).await.unwrap();
    outline(&turn, Audience::Translation)
}

async fn status(store: &Store, previous: &str) -> u16 {
    request(store, &going_on(previous, "[]")).await.map_or_else(|error| error.status, |_| 200)
}

#[tokio::test]
async fn a_conversation_goes_on_after_a_restart() {
    let (_folder, path) = place();
    let store = open(&path);
    let call = r#"{"type":"reasoning","id":"rs_1","encrypted_content":"seal"},{"type":"function_call","id":"fc_1","call_id":"call_1"}"#;
    exchange(&store, r#"{"input":"ask"}"#, ("r1", call), OPENAI).await;
    let result = r#"[{"type":"function_call_output","call_id":"call_1","output":"ü"}]"#;
    exchange(&store, &going_on("r1", result), ("r2", &said("m1", "done")), CLAUDE).await;
    let before = outline_of(&store, "r2").await;
    assert_eq!(before, ["ask", "seal", "call_1", "call_1", "done", "next"]);
    store.flush().await;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for file in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    store.close();
    let memory_stays = outline_of(&store, "r2").await;
    assert_eq!(memory_stays, before);

    let store = open(&path);
    let (first, second) =
        (store.find("r1").await.unwrap().unwrap(), store.find("r2").await.unwrap());
    assert_eq!(first.owner(), Some("openai-1"));
    assert_eq!(second.unwrap().owner(), None);
    assert_eq!(outline_of(&store, "r2").await, before);
    let cited = r#"{"input":[{"type":"item_reference","id":"fc_1"},{"id":"msg_0_r1"}]}"#;
    let cited = request(&store, cited).await.unwrap();
    assert_eq!(outline(&cited, Audience::Translation), ["call_1", "ask"]);
}

#[tokio::test]
async fn an_id_that_comes_again_is_the_last_one_after_a_restart() {
    let (_folder, path) = place();
    let store = open(&path);
    for number in 0..3 {
        let items = format!("{},{}", said(&format!("m{number}"), "old"), said("same", "new"));
        exchange(&store, &format!(r#"{{"input":"{number}"}}"#), ("r1", &items), OPENAI).await;
        store.flush().await;
    }
    store.close();
    let store = open(&path);
    assert_eq!(outline_of(&store, "r1").await, ["2", "old", "new", "next"]);
    let cite = |id: &str| format!(r#"{{"input":[{{"type":"item_reference","id":"{id}"}}]}}"#);
    for (id, known) in [("m0", false), ("m1", false), ("m2", true), ("same", true)] {
        assert_eq!(request(&store, &cite(id)).await.is_ok(), known, "{id}");
    }
    let rows = |table: &str| -> i64 {
        let file = Connection::open(&path).unwrap();
        file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    let conversations = rows("conversations WHERE id > 0");
    assert_eq!((rows("responses"), conversations, rows("items")), (1, 0, 2));
}

#[tokio::test]
async fn an_id_that_comes_again_at_once_is_written_once() {
    let (_folder, path) = place();
    let store = open(&path);
    exchange(&store, r#"{"input":"0"}"#, ("r1", &said("m0", "old")), OPENAI).await;
    exchange(&store, &going_on("r1", r#""on""#), ("r2", &said("m2", "more")), OPENAI).await;
    exchange(&store, r#"{"input":"1"}"#, ("r1", &said("m1", "new")), OPENAI).await;
    assert_eq!(outline_of(&store, "r1").await, ["1", "new", "next"], "from memory");
    store.flush().await;
    store.close();
    let store = open(&path);
    assert_eq!(outline_of(&store, "r1").await, ["1", "new", "next"]);
    assert_eq!(outline_of(&store, "r2").await, ["1", "new", "on", "more", "next"]);
    let file = Connection::open(&path).unwrap();
    let rows: (i64, i64) = file
        .query_row(
            "SELECT (SELECT count(*) FROM responses), (SELECT count(*) FROM conversations WHERE id > 0)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(rows, (2, 1));
}

#[tokio::test]
async fn items_of_the_gateways_own_need_no_row() {
    let (_folder, path) = place();
    let store = open(&path);
    let items = format!("{},{}", said("msg_ab_0", "first"), said("msg_ab_1", "second"));
    exchange(&store, r#"{"input":"a"}"#, ("resp_ab", &items), CLAUDE).await;
    store.flush().await;
    store.close();
    let store = open(&path);
    let cited = r#"{"input":[{"type":"item_reference","id":"msg_ab_1"}]}"#;
    let cited = request(&store, cited).await.unwrap();
    assert_eq!(outline(&cited, Audience::Translation), ["second"]);
    let unknown = r#"{"input":[{"type":"item_reference","id":"msg_ab_2"}]}"#;
    assert_eq!(request(&store, unknown).await.unwrap_err().status, 404);
    let file = Connection::open(&path).unwrap();
    let rows: i64 = file.query_row("SELECT count(*) FROM items", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn the_next_turn_does_not_wait_for_the_disk() {
    let (_folder, path) = place();
    let store = open(&path);
    store.flush().await;
    let locked = Connection::open(&path).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    for place in 0..50 {
        exchange(&store, r#"{"input":"a"}"#, (&format!("r{place}"), &said("m", "b")), CLAUDE).await;
        assert_eq!(outline_of(&store, &format!("r{place}")).await, ["a", "b", "next"]);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn what_is_deleted_is_gone_from_the_file() {
    let (_folder, path) = place();
    let store = open(&path);
    exchange(&store, r#"{"input":"a secret word"}"#, ("r1", &said("m1", "b")), CLAUDE).await;
    exchange(&store, r#"{"input":"another"}"#, ("r2", &said("m2", "b")), CLAUDE).await;
    store.flush().await;
    assert!(store.remove("r1").await.unwrap());
    assert_eq!(status(&store, "r1").await, 404);
    for file in [path.clone(), beside(&path, "-wal")] {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(11).any(|window| window == b"secret word"), "{}", file.display());
    }
    store.close();
    let store = open(&path);
    assert_eq!((status(&store, "r1").await, status(&store, "r2").await), (404, 200));
    assert!(!store.remove("r1").await.unwrap());
}

#[tokio::test]
async fn whole_conversations_leave_and_the_latest_stay() {
    let (_folder, path) = place();
    let store = open_forgetful(&path, Limits { rows: 32, ..Limits::default() });
    let keep = async |body: String, id: String, created| {
        let turn = request(&store, &body).await.unwrap();
        store.keep(record(&turn, &id, &said(&format!("m-{id}"), "b"), CLAUDE, created));
        store.flush().await;
    };
    // The oldest conversation is gone on with all the time; the others are of one turn.
    keep(r#"{"input":"a"}"#.into(), "old0".into(), NOW).await;
    for place in 1..20 {
        keep(r#"{"input":"a"}"#.into(), format!("r{place}"), NOW + place).await;
        keep(going_on(&format!("old{}", place - 1), r#""c""#), format!("old{place}"), NOW + place)
            .await;
    }
    assert_eq!(status(&store, "old19").await, 200);
    assert_eq!((status(&store, "r1").await, status(&store, "r19").await), (404, 200));
    let cited = r#"{"input":[{"type":"item_reference","id":"m-r1"}]}"#;
    assert_eq!(request(&store, cited).await.unwrap_err().status, 404);
    store.close();
    let file = Connection::open(&path).unwrap();
    let count = |table: &str| {
        let query = format!("SELECT count(*) FROM {table}");
        file.query_row(&query, [], |row| row.get::<_, u64>(0)).unwrap()
    };
    assert!(count("responses") <= 32 && count("responses") > 20, "{}", count("responses"));
    assert_eq!(count("items"), count("responses"), "an item leaves with its response");
    assert_eq!(count("conversations WHERE id > 0"), 1, "a response alone needs none");
}

#[tokio::test]
async fn the_file_keeps_within_its_bytes() {
    let (_folder, path) = place();
    let most = 1 << 20;
    let store = open_forgetful(&path, Limits { bytes: most, ..Limits::default() });
    for place in 0..40 {
        let long = format!(r#"{{"input":"{place} {}"}}"#, "x".repeat(100_000));
        exchange(&store, &long, (&format!("r{place}"), &said("m", "b")), CLAUDE).await;
    }
    store.flush().await;
    assert_eq!((status(&store, "r0").await, status(&store, "r39").await), (404, 200));
    store.close();
    assert!(fs::metadata(&path).unwrap().len() <= most + (64 << 10));
}

#[tokio::test]
async fn what_is_too_old_leaves() {
    let (_folder, path) = place();
    let day = Duration::from_hours(24);
    let limits = Limits { age: day, ..Limits::default() };
    let store = open_forgetful(&path, limits);
    exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m", "b")), CLAUDE).await;
    store.flush().await;
    assert_eq!(status(&store, "r1").await, 200);
    store.close();
    let later = Store::open(path.clone(), limits, NOW + day.as_secs());
    assert_eq!(status(&later, "r1").await, 200);
    later.close();
    let later = Store::open(path, limits, NOW + day.as_secs() + 1);
    assert_eq!(status(&later, "r1").await, 404);
}

#[tokio::test]
async fn a_file_that_is_none_of_ours_is_set_aside() {
    let foreign = |path: &Path| {
        let file = Connection::open(path).unwrap();
        file.execute_batch("CREATE TABLE x (y); PRAGMA user_version = 99").unwrap();
    };
    let garbage = |path: &Path| fs::write(path, "this is no database\n".repeat(1000)).unwrap();
    for spoil in [&foreign as &dyn Fn(&Path), &garbage] {
        let (_folder, path) = place();
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        spoil(&path);
        let before = fs::read(&path).unwrap();
        let store = open_forgetful(&path, Limits::default());
        exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m", "b")), CLAUDE).await;
        assert_eq!(outline_of(&store, "r1").await, ["a", "b", "next"]);
        assert!(fs::read(beside(&path, ".damaged")).unwrap() == before);
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_while_it_is_used() {
    let (_folder, path) = place();
    let store = open(&path);
    for place in 0..100 {
        exchange(&store, r#"{"input":"a"}"#, (&format!("r{place}"), &said("m", "b")), CLAUDE).await;
    }
    store.close();
    let mut bytes = fs::read(&path).unwrap();
    let half = bytes.len() / 4;
    bytes[half..].fill(0xAB);
    fs::write(&path, bytes).unwrap();
    let store = open_forgetful(&path, Limits::default());
    for place in 0..100 {
        assert!([200, 404].contains(&status(&store, &format!("r{place}")).await));
    }
    exchange(&store, r#"{"input":"new"}"#, ("new", &said("m", "b")), CLAUDE).await;
    assert_eq!(outline_of(&store, "new").await, ["new", "b", "next"]);
    assert!(beside(&path, ".damaged").exists());
}

#[tokio::test]
async fn a_file_that_another_holds_is_waited_for() {
    let (_folder, path) = place();
    let store = open(&path);
    exchange(&store, r#"{"input":"a"}"#, ("kept", &said("m", "b")), CLAUDE).await;
    store.close();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").unwrap();

    let store = open(&path);
    exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m", "b")), CLAUDE).await;
    assert_eq!(outline_of(&store, "r1").await, ["a", "b", "next"], "memory does without the file");
    // It may well be known: to say that it isn't would be a lie.
    let error = request(&store, &going_on("kept", "[]")).await.unwrap_err();
    assert_eq!((error.status, error.retry_after.is_some()), (503, true));
    assert!(store.remove("r1").await.is_err(), "nothing is deleted that is not");

    drop(holder);
    let until = Instant::now() + Duration::from_secs(20);
    while status(&store, "kept").await != 200 {
        assert!(Instant::now() < until, "the file is free");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    exchange(&store, r#"{"input":"a"}"#, ("r2", &said("m", "b")), CLAUDE).await;
    store.close();
    assert_eq!(status(&open(&path), "r2").await, 200);
}

#[tokio::test]
async fn no_place_for_a_file_is_no_trouble() {
    let (folder, _) = place();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let store = open(&file.join(FILE));
    exchange(&store, r#"{"input":"a"}"#, ("r1", &said("m", "b")), CLAUDE).await;
    assert_eq!(outline_of(&store, "r1").await, ["a", "b", "next"]);
    assert_eq!(status(&store, "r0").await, 404);
    assert!(store.remove("r1").await.unwrap());
    assert_eq!(status(&store, "r1").await, 404);
    store.flush().await;
    store.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once() {
    let (_folder, path) = place();
    // Little memory, so that some answers come from the disk; and another gateway uses the same file.
    let limits = Limits { memory: 20_000, ..Limits::default() };
    let stores = [0, 1].map(|_| Store::open(path.clone(), limits, NOW));
    let talk = |store: Store, name: String| async move {
        exchange(&store, r#"{"input":"0"}"#, (&format!("{name}-0"), &said("m", "0")), CLAUDE).await;
        for place in 1..10 {
            let previous = format!("{name}-{}", place - 1);
            let asked = going_on(&previous, &format!(r#""{place}""#));
            let answer = (&*format!("{name}-{place}"), &*said("m", &place.to_string()));
            exchange(&store, &asked, answer, CLAUDE).await;
        }
        name
    };
    let talks = (0..40).map(|place| {
        let store = stores[place % 2].clone();
        tokio::spawn(talk(store, format!("talk{place}")))
    });
    let mut names = Vec::new();
    for talk in talks.collect::<Vec<_>>() {
        names.push(talk.await.unwrap());
    }
    for store in &stores {
        store.flush().await;
    }
    let words: Vec<String> =
        (0..10).flat_map(|place| [place.to_string(), place.to_string()]).collect();
    for name in names {
        for store in &stores {
            let outline = outline_of(store, &format!("{name}-9")).await;
            assert_eq!(outline[..20], words, "{name}");
        }
    }
}
