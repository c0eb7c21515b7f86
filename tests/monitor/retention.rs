//! What leaves: by age, by number, by size, and the file gets smaller.

use std::time::Duration;

use levity::config::{Monitor as Settings, Retention};
use levity::monitor::filter::Filter;
use levity::monitor::record::Bodies;
use levity::monitor::redact::Redactor;

use super::support::*;

fn keeping(retention: Retention) -> Settings {
    Settings { retention, ..SETTINGS }
}

#[tokio::test]
async fn what_is_too_old_leaves() {
    let log = Log::under(keeping(Retention { days: 2, ..SETTINGS.retention }));
    log.record(answered(ago(Duration::from_hours(49))));
    log.record(answered(ago(Duration::from_hours(47))));
    log.monitor.flush().await;
    // What changes the settings looks for what is too old as well.
    log.monitor
        .configure(keeping(Retention { days: 2, ..SETTINGS.retention }), Redactor::default());
    log.monitor.flush().await;
    eventually("one is left", async || log.count().await == 1).await;
}

#[tokio::test]
async fn what_is_too_old_leaves_though_the_log_is_off() {
    let log = Log::new();
    log.record(answered(ago(Duration::from_hours(49))));
    log.record(answered(ago(Duration::from_hours(47))));
    assert_eq!(log.count().await, 2);
    let retention = Retention { days: 2, ..SETTINGS.retention };
    log.monitor.configure(Settings { enabled: false, ..keeping(retention) }, Redactor::default());
    eventually("one is left", async || log.count().await == 1).await;
}

#[tokio::test]
async fn a_log_that_is_off_makes_no_file() {
    let log = Log::under(Settings { enabled: false, ..SETTINGS });
    log.monitor.flush().await;
    log.monitor.close();
    assert!(!log.path.exists());
}

#[tokio::test]
async fn the_oldest_leave_where_there_are_too_many() {
    let log = Log::under(keeping(Retention { rows: 1000, ..SETTINGS.retention }));
    let mut newest = String::new();
    for second in (0..5000).rev() {
        let record = answered(ago(Duration::from_secs(second)));
        newest.clone_from(&record.row.id);
        log.record(record);
        if second % 500 == 0 {
            log.monitor.flush().await;
        }
    }
    eventually("no more than a thousand are left", async || {
        let ids = log.ids(&Filter::default()).await;
        assert!(ids.len() >= 900, "{} are left", ids.len());
        assert_eq!(ids.first(), Some(&newest));
        ids.len() <= 1000
    })
    .await;
}

#[tokio::test]
async fn the_file_gets_smaller() {
    let log = Log::new();
    let file = || std::fs::metadata(&log.path).unwrap().len();
    for second in (0..200).rev() {
        let mut record = answered(ago(Duration::from_secs(second)));
        let bodies = Bodies { request: vec![b'x'; 10_000], ..Bodies::default() };
        record.bodies = Some(Box::new(bodies));
        log.record(record);
        if second % 50 == 0 {
            log.monitor.flush().await;
        }
    }
    assert_eq!(log.count().await, 200);
    log.file().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let before = file();
    assert!(before > 200 * 10_000, "{before}");
    let size = 1 << 20;
    log.monitor.configure(keeping(Retention { size, ..SETTINGS.retention }), Redactor::default());
    eventually("the file is small", async || {
        log.monitor.flush().await;
        let _ = log.file().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        file() <= size
    })
    .await;
    let left = log.count().await;
    assert!((40..=100).contains(&left), "{left} are left");
    let bodies: usize =
        log.file().query_row("SELECT count(*) FROM bodies", [], |row| row.get(0)).unwrap();
    assert_eq!(bodies, left, "bodies leave with their rows");
}

#[tokio::test]
async fn sums_do_not_crowd_requests_out() {
    let log = Log::new();
    for second in 0..50 {
        log.record(answered(ago(Duration::from_secs(second))));
    }
    assert_eq!(log.count().await, 50);
    let lines = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 9000)
         INSERT INTO hours SELECT unixepoch() / 3600 - n, 'd', 200, 'a', 'a-name-of-some-length', '', 1, 0, 0, 0, 0, 0, 0, 0 FROM n";
    log.file().execute_batch(lines).unwrap();
    let size = 1 << 18;
    log.monitor.configure(keeping(Retention { size, ..SETTINGS.retention }), Redactor::default());
    let hours = || {
        let count = "SELECT count(*) FROM hours";
        log.file().query_row(count, [], |row| row.get::<_, u64>(0)).unwrap()
    };
    eventually("the oldest sums are gone", async || hours() < 8_000).await;
    assert!(hours() > 100, "{} are left", hours());
    assert_eq!(log.count().await, 50);
}

async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}: never");
}
