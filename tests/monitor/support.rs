//! A log in a folder of its own, and requests to put into it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use levity::clock::Now;
use levity::config::{Monitor as Settings, Retention};
use levity::monitor::filter::Filter;
use levity::monitor::query::Reader;
use levity::monitor::record::{Record, Row, Time, Tried};
use levity::monitor::redact::Redactor;
use levity::monitor::{FILE, Monitor};
use levity::proxy::live::request_id;
use rusqlite::Connection;
use tempfile::TempDir;

/// Keeps everything.
pub(crate) const SETTINGS: Settings = Settings {
    enabled: true,
    bodies: false,
    retention: Retention { days: 30, rows: 100_000, size: 512 << 20 },
};

/// A log and its file.
pub(crate) struct Log {
    pub(crate) monitor: Monitor,
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self::under(SETTINGS)
    }

    pub(crate) fn under(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/levity").join(FILE);
        Self::at(path, folder, settings)
    }

    /// A log over whatever `prepare` has put in the file's place; the folder is made for it.
    pub(crate) fn prepared(settings: Settings, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/levity").join(FILE);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        prepare(&path);
        Self::at(path, folder, settings)
    }

    /// Another log on the same file, as a gateway beside this one has it.
    pub(crate) fn beside(&self, settings: Settings) -> Self {
        Self::at(self.path.clone(), tempfile::tempdir().unwrap(), settings)
    }

    fn at(path: PathBuf, folder: TempDir, settings: Settings) -> Self {
        let monitor = Monitor::start(Some(path.clone()), settings, Redactor::default());
        Self { monitor, path, _folder: folder }
    }

    pub(crate) fn record(&self, record: Record) {
        self.monitor.record(Box::new(record));
    }

    /// The ids that pass a filter, the newest first.
    pub(crate) async fn ids(&self, filter: &Filter) -> Vec<String> {
        self.rows(filter).await.into_iter().map(|row| row.id).collect()
    }

    pub(crate) async fn rows(&self, filter: &Filter) -> Vec<Row> {
        let filter = filter.clone();
        let rows = move |reader: &Reader| reader.rows(&filter, None, 1_000_000);
        self.monitor.ask(rows).await.unwrap().unwrap_or_default()
    }

    pub(crate) async fn count(&self) -> usize {
        self.rows(&Filter::default()).await.len()
    }

    /// The file as another program sees it.
    pub(crate) fn file(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}

/// So long ago.
pub(crate) fn ago(past: Duration) -> Now {
    let now = Now::read();
    Now { wall: now.wall.checked_sub(past).unwrap(), ..now }
}

/// A request that began then and was answered.
pub(crate) fn answered(began: Now) -> Record {
    let row = Row {
        id: request_id(began),
        time: Time(u64::try_from(began.since_epoch().as_millis()).unwrap()),
        client: "127.0.0.1:5000".parse().ok(),
        caller: None,
        dialect: "openai_chat".into(),
        method: "POST".into(),
        path: "/v1/chat/completions".to_owned(),
        model: Some("short".to_owned()),
        used: Some("gemini-3-flash".into()),
        account: Some("google-1".into()),
        stream: false,
        status: Some(200),
        outcome: None,
        waited_ms: 0,
        first_byte_ms: Some(10),
        total_ms: 20,
        attempts: 1,
        input: 100,
        cached: 40,
        output: 10,
        reasoning: 3,
        dropped: vec!["top_k".into()],
    };
    let tried = Tried {
        account: "google-1".into(),
        status: Some(200),
        note: "answered".into(),
        ms: 20,
        hedge_ms: None,
    };
    Record { row, trail: vec![tried], explain: Vec::new(), error: None, bodies: None }
}

/// A request that was refused.
pub(crate) fn refused(began: Now, status: u16) -> Record {
    let mut record = answered(began);
    record.row = Row {
        status: Some(status),
        outcome: Some("refused".into()),
        model: None,
        used: None,
        account: None,
        first_byte_ms: None,
        attempts: 0,
        input: 0,
        cached: 0,
        output: 0,
        reasoning: 0,
        dropped: Vec::new(),
        ..record.row
    };
    record.error = Some(format!("refused with {status}"));
    Record { trail: Vec::new(), ..record }
}
