//! A disk that is of no use: nobody waits, what can be kept is kept, and what is lost is counted.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::support::*;

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_is_its_owners_alone() {
    let log = Log::new();
    log.record(answered(ago(Duration::ZERO)));
    assert_eq!(log.count().await, 1);
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&log.path, suffix)), 0o600, "{suffix}");
    }
    assert_eq!(mode(log.path.parent().unwrap()), 0o700);
}

#[tokio::test]
async fn files_that_others_could_read_become_its_owners_alone() {
    let log = Log::prepared(SETTINGS, |path| {
        for suffix in ["", "-wal", "-shm"] {
            fs::write(beside(path, suffix), "").unwrap();
            fs::set_permissions(beside(path, suffix), fs::Permissions::from_mode(0o644)).unwrap();
        }
    });
    log.record(answered(ago(Duration::ZERO)));
    assert_eq!(log.count().await, 1);
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&beside(&log.path, suffix)), 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn a_file_of_an_older_layout_is_set_aside() {
    let log = Log::prepared(SETTINGS, |path| {
        let file = Connection::open(path).unwrap();
        file.execute_batch("CREATE TABLE requests (number INTEGER); PRAGMA user_version = 1")
            .unwrap();
    });
    log.record(answered(ago(Duration::ZERO)));
    assert_eq!((log.count().await, log.monitor.dropped()), (1, 0));
    assert!(log.path.with_extension("db.damaged").exists());
}

#[tokio::test]
async fn nobody_waits_for_a_file_that_another_holds() {
    let log = Log::new();
    log.record(answered(ago(Duration::ZERO)));
    assert_eq!(log.count().await, 1);
    let holder = log.file();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    // Who waited here would wait for ever: what holds the file lets it go below.
    for _ in 0..1000 {
        log.record(answered(ago(Duration::ZERO)));
    }
    // Long enough for the first try to fail.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    holder.execute_batch("COMMIT").unwrap();
    for _ in 0..400 {
        if log.count().await == 1001 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!((log.count().await, log.monitor.dropped()), (1001, 0));
}

#[tokio::test]
async fn what_is_too_much_for_the_queue_is_counted() {
    let log = Log::prepared(SETTINGS, |path| {
        // A file of a newer version is never written.
        let file = Connection::open(path).unwrap();
        file.execute_batch("CREATE TABLE later (x); PRAGMA user_version = 99").unwrap();
    });
    for _ in 0..60_000 {
        log.record(answered(ago(Duration::ZERO)));
    }
    log.monitor.flush().await;
    log.monitor.close();
    assert_eq!(log.monitor.dropped(), 60_000);
    let file = log.file();
    let version: i64 = file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99, "it is left alone");
    let asked = log.monitor.ask(|reader| reader.find("x")).await;
    assert!(asked.unwrap_err().to_string().contains("newer levity"));
}

#[tokio::test]
async fn a_file_that_is_no_log_is_set_aside() {
    let foreign = |path: &Path| {
        let file = Connection::open(path).unwrap();
        file.execute_batch("CREATE TABLE x (y)").unwrap();
    };
    let garbage = |path: &Path| fs::write(path, "this is no database\n".repeat(1000)).unwrap();
    for spoil in [&foreign as &dyn Fn(&Path), &garbage] {
        let mut before = Vec::new();
        let log = Log::prepared(SETTINGS, |path| {
            spoil(path);
            before = fs::read(path).unwrap();
        });
        log.record(answered(ago(Duration::ZERO)));
        assert_eq!(log.count().await, 1);
        assert!(fs::read(log.path.with_extension("db.damaged")).unwrap() == before);
        assert_eq!(log.monitor.dropped(), 0);
    }
}

#[tokio::test]
async fn a_file_that_is_deleted_is_made_anew() {
    let log = Log::new();
    log.record(answered(ago(Duration::ZERO)));
    assert_eq!(log.count().await, 1);
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(beside(&log.path, suffix)).unwrap();
    }
    log.record(answered(ago(Duration::ZERO)));
    assert_eq!((log.count().await, log.monitor.dropped()), (1, 0));
}

#[tokio::test]
async fn no_place_for_a_file_is_no_trouble() {
    let log = Log::prepared(SETTINGS, |path| fs::create_dir(path).unwrap());
    let mut live = log.monitor.live();
    log.record(answered(ago(Duration::ZERO)));
    live.recv().await.unwrap();
    log.monitor.close();
    assert_eq!(log.monitor.dropped(), 1);
}

#[tokio::test]
async fn rows_are_there_after_a_restart() {
    let log = Log::new();
    for _ in 0..10 {
        log.record(answered(ago(Duration::ZERO)));
    }
    // What waits is written when the log is closed.
    log.monitor.close();
    let rows: i64 =
        log.file().query_row("SELECT sum(requests) FROM blocks", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 10);
}
