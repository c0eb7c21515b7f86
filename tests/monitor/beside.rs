//! Two gateways on one file: nothing is lost, nothing is there twice, and the stricter of their bounds holds.

use std::collections::HashSet;
use std::time::Duration;

use levity::config::{Monitor as Settings, Retention};
use levity::monitor::filter::Filter;
use levity::monitor::query::{By, Reader};
use levity::monitor::redact::Redactor;

use super::support::*;

#[tokio::test]
async fn what_two_gateways_record_is_in_their_file_once() {
    let one = Log::new();
    let other = one.beside(SETTINGS);
    let mut ids = HashSet::new();
    for _ in 0..10 {
        // Many of one millisecond, written at the same time.
        let now = ago(Duration::ZERO);
        for log in [&one, &other] {
            for _ in 0..200 {
                let record = answered(now);
                ids.insert(record.row.id.clone());
                log.record(record);
            }
        }
        tokio::join!(one.monitor.flush(), other.monitor.flush());
    }
    assert_eq!(ids.len(), 4000, "ids differ");
    for log in [&one, &other] {
        let found = log.ids(&Filter::default()).await;
        assert_eq!(found.len(), 4000);
        assert_eq!(found.into_iter().collect::<HashSet<_>>(), ids);
        assert_eq!(log.monitor.dropped(), 0);
    }
    let usage = |reader: &Reader| reader.usage(By::Account, None, None);
    let totals = one.monitor.ask(usage).await.unwrap().unwrap();
    assert_eq!(totals.iter().map(|total| total.requests).sum::<u64>(), 4000);
}

#[tokio::test]
async fn the_stricter_of_two_bounds_holds_for_both() {
    let roomy = Log::new();
    let settings =
        Settings { retention: Retention { rows: 100, ..SETTINGS.retention }, ..SETTINGS };
    let strict = roomy.beside(settings);
    let mut newest = String::new();
    for second in (0..1000).rev() {
        let record = answered(ago(Duration::from_secs(second)));
        newest.clone_from(&record.row.id);
        roomy.record(record);
    }
    roomy.monitor.flush().await;
    // It may have looked at the file before; new settings make it look again.
    for _ in 0..200 {
        strict.monitor.configure(settings, Redactor::default());
        if roomy.count().await <= 100 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let left = roomy.ids(&Filter::default()).await;
    assert!((80..=100).contains(&left.len()), "{} are left", left.len());
    assert_eq!(left.first(), Some(&newest));
    // The other goes on as if nothing had happened.
    roomy.record(answered(ago(Duration::ZERO)));
    assert_eq!(roomy.count().await, left.len() + 1);
    assert_eq!((roomy.monitor.dropped(), strict.monitor.dropped()), (0, 0));
}

#[tokio::test]
async fn who_closes_while_another_holds_the_file_waits_for_it() {
    let log = Log::new();
    log.record(answered(ago(Duration::ZERO)));
    assert_eq!(log.count().await, 1);
    let holder = log.file();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    log.record(answered(ago(Duration::ZERO)));
    let closing = {
        let monitor = log.monitor.clone();
        std::thread::spawn(move || monitor.close())
    };
    tokio::time::sleep(Duration::from_millis(1500)).await;
    holder.execute_batch("COMMIT").unwrap();
    closing.join().unwrap();
    assert_eq!((log.count().await, log.monitor.dropped()), (2, 0));
}
