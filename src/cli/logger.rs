//! Where the log goes: stderr, for people or as JSON.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;

use super::plain::Plain;
use super::{LogFormat, LogLevel};

/// How long a line may wait for others, so that a busy gateway writes many at once.
const GATHERED: Duration = Duration::from_millis(50);
/// Bytes that wait where nobody reads stderr; lines beyond are lost, and counted.
const MOST: usize = 8 << 20;

/// Installs the log for the whole process. What Pingora says is kept to what an owner can act on.
///
/// The lines still waiting are written when the returned value is dropped.
pub(super) fn install(format: LogFormat, level: LogLevel) -> Lines {
    let level = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let quieter = if matches!(level, "debug" | "trace") { level } else { "off" };
    let filter = EnvFilter::new(format!(
        "{level},pingora={quieter},pingora_core={quieter},pingora_proxy={quieter},pingora_pool={quieter},h2=warn,hyper=warn"
    ));
    let lines = Lines::default();
    lines.write_out_regularly();
    let builder = fmt().with_env_filter(filter).with_writer(lines.clone()).with_target(false);
    // A log that is installed already (by a test) stays.
    let _ = match format {
        LogFormat::Plain if io::stderr().is_terminal() => builder.compact().try_init().is_ok(),
        LogFormat::Plain => builder.with_ansi(false).event_format(Plain).try_init().is_ok(),
        LogFormat::Json => builder.with_ansi(false).json().flatten_event(true).try_init().is_ok(),
    };
    lines
}

/// Lines on their way to stderr. A system call for each would cost more than the rest of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Arc<Mutex<Waiting>>);

/// What has not been written yet.
#[derive(Debug, Default)]
struct Waiting {
    text: Vec<u8>,
    /// Lines for which there was no room.
    lost: u64,
}

impl Waiting {
    fn push(&mut self, line: &[u8]) {
        if self.text.len() + line.len() > MOST {
            self.lost += 1;
        } else {
            self.text.extend_from_slice(line);
        }
    }
}

impl Lines {
    fn write_out_regularly(&self) {
        let lines = self.clone();
        let writer = std::thread::Builder::new().name("log".to_owned());
        let spawned = writer.spawn(move || {
            loop {
                std::thread::sleep(GATHERED);
                lines.write_out();
            }
        });
        debug_assert!(spawned.is_ok(), "a thread can be had at start");
    }

    fn write_out(&self) {
        let Waiting { text, lost } = std::mem::take(&mut *self.0.lock());
        if !text.is_empty() {
            // With stderr gone there is nobody left to tell.
            let _ = io::stderr().write_all(&text);
        }
        if lost > 0 {
            log::warn!("{lost} lines of the log are lost: nobody read stderr for too long");
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.write_out();
        // What was lost is told in a line, too.
        self.write_out();
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self)
    }
}

/// One line being written.
pub(super) struct Line<'a>(&'a Lines);

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.0.lock().push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_has_a_bound() {
        let mut waiting = Waiting::default();
        for _ in 0..3 {
            waiting.push(&vec![b'x'; MOST / 2]);
        }
        assert_eq!((waiting.text.len(), waiting.lost), (MOST, 1));
    }
}
