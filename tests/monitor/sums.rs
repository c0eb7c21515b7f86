//! Sums by the hour: they outlive the rows, and are within bounds whatever clients ask for.

use std::time::Duration;

use levity::config::{Monitor as Settings, Retention};
use levity::monitor::query::{By, Reader, Total};
use levity::monitor::record::Time;

use super::support::*;

async fn totals(log: &Log, by: By) -> Vec<Total> {
    let usage = move |reader: &Reader| reader.usage(by, None, None);
    log.monitor.ask(usage).await.unwrap().unwrap_or_default()
}

#[tokio::test]
async fn sums_outlive_the_rows() {
    let settings =
        Settings { retention: Retention { rows: 100, ..SETTINGS.retention }, ..SETTINGS };
    let log = Log::under(settings);
    for second in 0..1000 {
        log.record(answered(ago(Duration::from_secs(second))));
    }
    log.record(refused(ago(Duration::ZERO), 401));
    log.monitor.flush().await;
    let by_model = totals(&log, By::Model).await;
    let keys: Vec<Option<&str>> = by_model.iter().map(|total| total.key.as_deref()).collect();
    assert_eq!(keys, [Some("gemini-3-flash"), None]);
    let total = &by_model[0];
    assert_eq!((total.requests, total.errors), (1000, 0));
    assert_eq!((total.input, total.cached), (100_000, 40_000));
    assert_eq!((total.output, total.reasoning), (10_000, 3_000));
    assert_eq!(total.first_byte_ms_avg, Some(10));
    assert_eq!((by_model[1].errors, by_model[1].first_byte_ms_avg), (1, None));
    let by_status = totals(&log, By::Status).await;
    let keys: Vec<&str> = by_status.iter().filter_map(|total| total.key.as_deref()).collect();
    assert_eq!(keys, ["200", "401"]);
}

#[tokio::test]
async fn hours_and_days_are_in_order_and_can_be_bounded() {
    let log = Log::new();
    for hours in [50, 25, 1, 0] {
        log.record(answered(ago(Duration::from_hours(hours))));
    }
    let hours = totals(&log, By::Hour).await;
    assert_eq!(hours.len(), 4);
    assert!(hours.is_sorted_by_key(|total| total.key.clone()));
    assert!(hours.iter().all(|total| total.key.as_ref().unwrap().ends_with(":00:00Z")));
    let days = totals(&log, By::Day).await;
    assert!(
        days.len() >= 3
            && days.iter().all(|total| total.key.as_ref().unwrap().ends_with("T00:00:00Z"))
    );
    let since = Time::parse(hours[2].key.as_ref().unwrap());
    let bounded = move |reader: &Reader| reader.usage(By::Hour, since, None);
    assert_eq!(log.monitor.ask(bounded).await.unwrap().unwrap(), &hours[2..]);
    let bounded = move |reader: &Reader| reader.usage(By::Hour, None, since);
    assert_eq!(log.monitor.ask(bounded).await.unwrap().unwrap(), &hours[..2]);
}

#[tokio::test]
async fn names_that_clients_make_up_have_a_bound() {
    let log = Log::new();
    let now = ago(Duration::ZERO);
    for place in 0..3000 {
        let mut record = answered(now);
        record.row.used = Some(format!("made-up-{place}").into());
        log.record(record);
    }
    let models = totals(&log, By::Model).await;
    assert!(models.len() <= 1001, "{}", models.len());
    assert_eq!(models[0].key.as_deref(), Some("other"));
    assert_eq!(models.iter().map(|total| total.requests).sum::<u64>(), 3000);
}
