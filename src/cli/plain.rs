//! A log line for people: what `tracing_subscriber`'s compact format writes without colours, at a fraction of its cost. A
//! busy gateway writes one for each request.

use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Now;

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
        let time = humantime::format_rfc3339_micros(Now::read().wall);
        write!(line.0, "{time} {:>5}", event.metadata().level().as_str())?;
        event.record(&mut line);
        line.0.push('\n');
        writer.write_str(&line.0)
    }
}

/// A line being written.
struct Line(String);

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        let _ = write!(self.0, "{value}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if field.name() == MESSAGE {
            self.record_debug(field, &format_args!("{value}"));
        } else if value.bytes().all(plain) {
            self.name(field);
            self.0.push('"');
            self.0.push_str(value);
            self.0.push('"');
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name().starts_with("log.") {
            // What a record of the `log` crate says of its source.
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

impl Line {
    fn name(&mut self, field: &Field) {
        self.0.push(' ');
        if field.name() != MESSAGE {
            self.0.push_str(field.name());
            self.0.push('=');
        }
    }
}

/// What a terminal would obey: nobody who is quoted in a log may write on the reader's screen.
fn is_terminal_control(character: char) -> bool {
    character.is_control() && !matches!(character, '\n' | '\t' | '\r')
}
