//! A log line for people: what `tracing_subscriber`'s compact format writes without colours, at a fraction of its cost. A
//! busy gateway writes one for each request.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write as _};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

/// Time, level, message, `field=value` …
pub(super) struct Plain;

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Line(String::with_capacity(512));
        line.time(clock::wall());
        let level = event.metadata().level().as_str();
        line.0.push_str(if level.len() < 5 { "  " } else { " " });
        line.0.push_str(level);
        event.record(&mut line);
        line.0.push('\n');
        writer.write_str(&line.0)
    }
}

/// A line being written.
struct Line(String);

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_source(field) {
            return;
        }
        self.name(field);
        // Half of a line is small numbers, and `fmt` costs ten times as much for each.
        self.0.push_str(itoa::Buffer::new().format(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if is_source(field) {
            return;
        }
        match (field.name() == MESSAGE, is_plain(value)) {
            (true, true) => {
                self.0.push(' ');
                self.0.push_str(value);
            }
            (true, false) => self.record_debug(field, &format_args!("{value}")),
            (false, true) => {
                self.name(field);
                self.0.push('"');
                self.0.push_str(value);
                self.0.push('"');
            }
            (false, false) => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if is_source(field) {
            return;
        }
        self.name(field);
        let from = self.0.len();
        let _ = write!(self.0, "{value:?}");
        if self.0.get(from..).is_some_and(|said| said.contains(is_terminal_control)) {
            let said = self.0.split_off(from);
            for character in said.chars() {
                if is_terminal_control(character) {
                    let _ = write!(self.0, "{}", character.escape_default());
                } else {
                    self.0.push(character);
                }
            }
        }
    }
}

/// The field that is the line's text.
const MESSAGE: &str = "message";

thread_local! {
    /// The second of the last line, in seconds since 1970, and how it is written.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

impl Line {
    /// RFC 3339 with microseconds. A busy gateway writes thousands of lines in a second, which is written out once.
    fn time(&mut self, now: SystemTime) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        SECOND.with_borrow_mut(|(second, written)| {
            if *second != since.as_secs() {
                *second = since.as_secs();
                *written = humantime::format_rfc3339_seconds(now).to_string();
            }
            self.0.push_str(written.trim_end_matches('Z'));
        });
        let mut digits = itoa::Buffer::new();
        let micros = digits.format(1_000_000 + since.subsec_micros());
        self.0.push('.');
        self.0.push_str(micros.get(1..).unwrap_or_default());
        self.0.push('Z');
    }

    fn name(&mut self, field: &Field) {
        self.0.push(' ');
        if field.name() != MESSAGE {
            self.0.push_str(field.name());
            self.0.push('=');
        }
    }
}

/// Whether a field is what a record of the `log` crate says of its source.
fn is_source(field: &Field) -> bool {
    field.name().starts_with("log.")
}

/// Whether a text is written as it is, also in quotes. It looks at every byte, so that the compiler can take many at once.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~');
    text.bytes().fold(true, |all, byte| all & plain(byte))
}

/// What a terminal would obey: nobody who is quoted in a log may write on the reader's screen.
fn is_terminal_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t' | '\r')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Kept {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// What is written of `say`, behind the time.
    fn written(say: impl Fn(), plain: bool) -> String {
        let kept = Kept::default();
        let builder = tracing_subscriber::fmt().with_writer(kept.clone()).with_target(false);
        let builder = builder.with_ansi(false);
        if plain {
            tracing::subscriber::with_default(builder.event_format(Plain).finish(), say);
        } else {
            tracing::subscriber::with_default(builder.compact().finish(), say);
        }
        let line = String::from_utf8(kept.0.lock().clone()).unwrap();
        line.split_once('Z').unwrap().1.to_owned()
    }

    #[test]
    fn a_time_is_that_of_humantime() {
        let second = UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
        for micros in [0, 7, 999_999, 1_000_000, 61_000_100] {
            let now = second + std::time::Duration::from_micros(micros);
            let mut line = Line(String::new());
            line.time(now);
            assert_eq!(line.0, humantime::format_rfc3339_micros(now).to_string());
        }
    }

    #[test]
    fn a_line_is_that_of_the_compact_format() {
        let say = || {
            tracing::info!(
                id = "req_1",
                none = None::<&str>,
                quoted = "a \"b\" \u{1b}",
                word = "ü",
                zero = 0_u64,
                count = Some(1_234_567_890_u64),
                signed = -7,
                yes = true,
                "{} {}",
                "POST",
                "/v1"
            );
            tracing::warn!("nothing \u{1b}[1m more");
        };
        let first = |text: String| text.lines().next().unwrap().to_owned();
        assert_eq!(first(written(say, true)), first(written(say, false)));
        let line = written(|| tracing::error!("a \u{1b}[1m b"), true);
        assert!(line.starts_with(" ERROR a ") && !line.contains('\u{1b}'), "{line}");
    }
}
