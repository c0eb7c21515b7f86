//! Server-sent events: bytes ⇄ events, across any chunking. <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::borrow::Cow;

use memchr::memchr2;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its `event:` field; empty where it has none.
    pub name: Cow<'a, str>,
    /// Its `data:` lines, joined by line feeds.
    pub data: Cow<'a, str>,
}

/// Cuts a byte stream into events. Any line end (LF, CRLF, CR), a byte order mark, comments, several data lines and cuts at
/// any byte are understood.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The start of a line whose end has not come yet.
    line: Vec<u8>,
    /// The `data:` lines of an event whose end has not come yet.
    data: Vec<u8>,
    /// Its `event:` field.
    name: Vec<u8>,
    has_data: bool,
    /// The last chunk ended in CR: an LF at the start of the next one belongs to it.
    after_cr: bool,
    started: bool,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Feeds a chunk; calls `each` for every event that it completes.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&Event<'_>)) {
        let mut rest = chunk;
        while let Some((&first, after)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && first == b'\n' {
                rest = after;
                continue;
            }
            let Some(end) = memchr2(b'\n', b'\r', rest) else {
                self.line.extend_from_slice(rest);
                return;
            };
            let (line, tail) = rest.split_at(end);
            rest = self.after_line_end(tail);
            if self.line.is_empty() {
                self.take_line(line, &mut each);
            } else {
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.take_line(&whole, &mut each);
                whole.clear();
                self.line = whole;
            }
        }
    }

    /// Ends the stream: an event whose blank line never came is still an event.
    pub fn finish(&mut self, mut each: impl FnMut(&Event<'_>)) {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.take_line(&line, &mut each);
        }
        self.dispatch(&mut each);
    }

    /// Bytes held for an event that is not whole yet.
    pub fn held(&self) -> usize {
        self.line.len() + self.data.len()
    }

    /// `tail` begins with a line end; gives what comes after it.
    fn after_line_end<'a>(&mut self, tail: &'a [u8]) -> &'a [u8] {
        match tail {
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            [b'\r', rest @ ..] => {
                self.after_cr = rest.is_empty();
                rest
            }
            other => other,
        }
    }

    fn take_line(&mut self, line: &[u8], each: &mut impl FnMut(&Event<'_>)) {
        let line = if std::mem::replace(&mut self.started, true) {
            line
        } else {
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        };
        if line.is_empty() {
            self.dispatch(each);
            return;
        }
        if let Some(value) = field(line, b"data") {
            if std::mem::replace(&mut self.has_data, true) {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(value);
        } else if let Some(value) = field(line, b"event") {
            self.name.clear();
            self.name.extend_from_slice(value);
        }
        // Comments, `id:`, `retry:` and unknown fields say nothing that a model stream needs.
    }

    fn dispatch(&mut self, each: &mut impl FnMut(&Event<'_>)) {
        if std::mem::take(&mut self.has_data) {
            each(&Event { name: text(&self.name), data: text(&self.data) });
        }
        self.data.clear();
        self.name.clear();
    }
}

/// What is not UTF-8 is replaced. The whole is looked at first: that is several times faster, and it nearly always is UTF-8.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// The value of a line's field, without the one space that may follow the colon.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest {
        [b':', b' ', value @ ..] | [b':', value @ ..] => Some(value),
        [] => Some(&[]),
        _ => None,
    }
}

/// Begins an event in `out`; the caller appends its one line of data and then calls `end`.
pub fn begin(out: &mut Vec<u8>, name: Option<&str>) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
}

/// Ends an event in `out`.
pub fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut events = Vec::new();
        let mut decoder = Decoder::new();
        let mut each =
            |event: &Event<'_>| events.push((event.name.to_string(), event.data.to_string()));
        for chunk in chunks {
            decoder.push(chunk, &mut each);
        }
        decoder.finish(&mut each);
        events
    }

    const STREAM: &str = "\u{feff}: hello\n\nevent: a\ndata: {\"x\":\"ü\"}\n\ndata:one\r\ndata: two\r\n\r\nid: 7\rdata\r\rdata: [DONE]";

    fn expected() -> Vec<(String, String)> {
        [("a", "{\"x\":\"ü\"}"), ("", "one\ntwo"), ("", ""), ("", "[DONE]")]
            .map(|(name, data)| (name.to_owned(), data.to_owned()))
            .to_vec()
    }

    #[test]
    fn whole() {
        assert_eq!(decode(&[STREAM.as_bytes()]), expected());
    }

    #[test]
    fn cut_at_every_byte() {
        for cut in 0..=STREAM.len() {
            let (first, second) = STREAM.as_bytes().split_at(cut);
            assert_eq!(decode(&[first, second]), expected(), "cut at {cut}");
        }
    }

    #[test]
    fn a_byte_at_a_time() {
        let bytes: Vec<&[u8]> = STREAM.as_bytes().chunks(1).collect();
        assert_eq!(decode(&bytes), expected());
    }

    #[test]
    fn an_event_without_data_is_none() {
        assert_eq!(decode(&[b"event: ping\n\n: comment\n\n\n\n"]), vec![]);
    }
}
