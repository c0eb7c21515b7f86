//! The top-level members of a JSON object, or elements of an array, found without parsing what is in them.
//!
//! A body that is only forwarded needs its `model` read, and replaced in place: no more. Strings are skipped by `memchr`,
//! so a body costs a small part of what parsing it would.

pub mod unread;
pub mod write;

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

use memchr::{memchr2, memmem};

/// How `serde_json` says that a text is JSON already: a `RawValue` is a struct of this name to it.
const RAW: &str = "$serde_json::private::RawValue";

/// Why a body is not a JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object: {what} at byte {at}")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// Where, in bytes from the start.
    pub at: usize,
}

/// Calls `each` for every member of the object in `body` with its key (as written, without quotes) and the range of its
/// value. The nesting of values is checked, their literals are not.
pub fn members(body: &[u8], mut each: impl FnMut(&[u8], Range<usize>)) -> Result<(), Malformed> {
    members_until(body, |key, value| {
        each(key, value);
        ControlFlow::Continue(())
    })
}

/// The same until `each` has seen enough: what stands behind that member is not looked at.
pub fn members_until(
    body: &[u8],
    mut each: impl FnMut(&[u8], Range<usize>) -> ControlFlow<()>,
) -> Result<(), Malformed> {
    let mut scan = Scan::new(body);
    scan.skip_space();
    scan.take(b'{', "expected `{`")?;
    scan.skip_space();
    if scan.peek() == Some(b'}') {
        scan.at += 1;
        return scan.expect_end();
    }
    loop {
        scan.skip_space();
        let key = scan.string()?;
        let value = scan.member_value()?;
        let key = body.get(key.start + 1..key.end - 1).unwrap_or_default();
        if each(key, value).is_break() {
            return Ok(());
        }
        if scan.closes(b'}', "expected `,` or `}`")? {
            return scan.expect_end();
        }
    }
}

/// Calls `each` for every element of the array in `text` with the range of its value, checked as far as `members` does.
pub fn elements(text: &[u8], mut each: impl FnMut(Range<usize>)) -> Result<(), Malformed> {
    let mut scan = Scan::new(text);
    scan.skip_space();
    scan.take(b'[', "expected `[`")?;
    scan.skip_space();
    if scan.peek() == Some(b']') {
        scan.at += 1;
        return scan.expect_end();
    }
    loop {
        scan.skip_space();
        each(scan.value()?);
        if scan.closes(b']', "expected `,` or `]`")? {
            return scan.expect_end();
        }
    }
}

/// The value of an object's own member, found without reading what stands before it, as token counts behind a long answer
/// are. `name` finds its name in quotes. `None` where it is not there, or cannot be told so cheaply.
///
/// A quote in a string is escaped, so a name in bare quotes with a colon behind it is a key. It is the object's own where
/// the object that it stands in ends with the text.
pub fn late_member<'a>(body: &'a [u8], name: &memmem::Finder<'_>) -> Option<&'a [u8]> {
    let (key, quoted) = (name.find(body)?, name.needle());
    if body.get(key.checked_sub(1)?) == Some(&b'\\') {
        return None;
    }
    let mut scan = Scan::new(body);
    scan.at = key + quoted.len();
    let mut value = scan.member_value().ok()?;
    while !scan.closes(b'}', "expected `,` or `}`").ok()? {
        scan.skip_space();
        let key = scan.string().ok()?;
        let next = scan.member_value().ok()?;
        if body.get(key) == Some(quoted) {
            value = next;
        }
    }
    scan.expect_end().ok()?;
    body.get(value)
}

/// A key as it is meant: `members` gives it as written, and it may be written with escapes.
pub fn key(written: &[u8]) -> Cow<'_, [u8]> {
    if !written.contains(&b'\\') {
        return Cow::Borrowed(written);
    }
    let quoted = [b"\"", written, b"\""].concat();
    serde_json::from_slice::<String>(&quoted)
        .map_or(Cow::Borrowed(written), |text| Cow::Owned(text.into_bytes()))
}

struct Scan<'a> {
    body: &'a [u8],
    at: usize,
    /// What closes each bracket that is open; empty between values.
    open: Vec<u8>,
}

impl<'a> Scan<'a> {
    const fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, open: Vec::new() }
    }

    fn peek(&self) -> Option<u8> {
        self.body.get(self.at).copied()
    }

    const fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, at: self.at }
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, what: &'static str) -> Result<(), Malformed> {
        if self.peek() != Some(byte) {
            return Err(self.malformed(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Behind a value: whether `close` ends the whole, or a comma promises more.
    fn closes(&mut self, close: u8, what: &'static str) -> Result<bool, Malformed> {
        self.skip_space();
        let Some(byte) = self.peek() else { return Err(self.malformed("unexpected end")) };
        if byte != b',' && byte != close {
            return Err(self.malformed(what));
        }
        self.at += 1;
        Ok(byte == close)
    }

    fn expect_end(&mut self) -> Result<(), Malformed> {
        self.skip_space();
        if self.at < self.body.len() {
            return Err(self.malformed("text after the object"));
        }
        Ok(())
    }

    /// The value behind a key.
    fn member_value(&mut self) -> Result<Range<usize>, Malformed> {
        self.skip_space();
        self.take(b':', "expected `:`")?;
        self.skip_space();
        self.value()
    }

    /// A string with its quotes.
    fn string(&mut self) -> Result<Range<usize>, Malformed> {
        let start = self.at;
        self.take(b'"', "expected a string")?;
        self.finish_string()?;
        Ok(start..self.at)
    }

    /// The rest of a string whose opening quote is behind us.
    fn finish_string(&mut self) -> Result<(), Malformed> {
        loop {
            let rest = self.body.get(self.at..).unwrap_or_default();
            let Some(offset) = quote_or_backslash(rest) else {
                self.at = self.body.len();
                return Err(self.malformed("unterminated string"));
            };
            self.at += offset;
            if self.peek() == Some(b'"') {
                self.at += 1;
                return Ok(());
            }
            self.at += 2;
        }
    }

    fn value(&mut self) -> Result<Range<usize>, Malformed> {
        let start = self.at;
        match self.peek() {
            Some(b'"') => return self.string(),
            Some(b'{' | b'[') => self.container()?,
            Some(b',' | b'}' | b']' | b':') => return Err(self.malformed("expected a value")),
            Some(_) => {
                while let Some(byte) = self.peek()
                    && !matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t')
                {
                    self.at += 1;
                }
            }
            None => return Err(self.malformed("unexpected end")),
        }
        Ok(start..self.at)
    }

    /// An object or array, to its closing bracket.
    fn container(&mut self) -> Result<(), Malformed> {
        loop {
            self.skip_plain();
            let Some(byte) = self.peek() else { return Err(self.malformed("unexpected end")) };
            match byte {
                b'"' => {
                    self.at += 1;
                    self.finish_string()?;
                    continue;
                }
                b'{' => self.open.push(b'}'),
                b'[' => self.open.push(b']'),
                close => {
                    if self.open.pop() != Some(close) {
                        return Err(self.malformed("mismatched bracket"));
                    }
                    if self.open.is_empty() {
                        self.at += 1;
                        return Ok(());
                    }
                }
            }
            self.at += 1;
        }
    }

    /// Up to the next quote or bracket.
    fn skip_plain(&mut self) {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let telling = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']');
        self.at += rest.iter().position(telling).unwrap_or(rest.len());
    }
}

/// Bytes of a string that are looked at before `memchr2` is called: most keys and words are shorter, and the call costs more
/// than they do.
const SHORT: usize = 16;

/// Where the next `"` or `\` is.
fn quote_or_backslash(text: &[u8]) -> Option<usize> {
    let (words, _) = text.get(..SHORT).unwrap_or(text).as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ repeated(b'"')) | zeros(word ^ repeated(b'\\'));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let looked_at = words.len() * 8;
    let offset = memchr2(b'"', b'\\', text.get(looked_at..)?)?;
    Some(looked_at + offset)
}

const fn repeated(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The high bit of each byte that is zero. Bytes above the lowest one of them may be marked though they are one.
/// <https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord>
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(repeated(1)) & !word & repeated(0x80)
}

/// Cuts a JSON array that comes in pieces into its elements: how Gemini streams without `alt=sse`. An object without an
/// array is one element.
#[derive(Debug, Default)]
pub struct Elements {
    /// The open element, as far as it has come.
    held: Vec<u8>,
    /// Brackets open.
    depth: usize,
    /// Those of them around an element: the array's, or none for an object without an array.
    around: usize,
    in_string: bool,
    after_backslash: bool,
}

impl Elements {
    /// Feeds a piece; calls `each` with every object of the array that it completes.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8])) {
        for &byte in chunk {
            if self.depth > self.around {
                self.held.push(byte);
            }
            if self.in_string {
                self.push_text(byte);
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'[' if self.depth == 0 => {
                    self.depth = 1;
                    self.around = 1;
                }
                b'{' | b'[' => {
                    if self.depth == self.around {
                        self.held.push(byte);
                    }
                    self.depth += 1;
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == self.around && !self.held.is_empty() {
                        each(&self.held);
                        self.held.clear();
                    }
                }
                _ => {}
            }
        }
    }

    fn push_text(&mut self, byte: u8) {
        if std::mem::take(&mut self.after_backslash) {
            return;
        }
        match byte {
            b'\\' => self.after_backslash = true,
            b'"' => self.in_string = false,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &str) -> Result<Vec<(&str, &str)>, Malformed> {
        let mut list = Vec::new();
        members(body.as_bytes(), |key, value| {
            let key = key.as_ptr() as usize - body.as_ptr() as usize..;
            let key = &body[key];
            list.push((&key[..key.find('"').unwrap_or(0)], &body[value]));
        })?;
        Ok(list)
    }

    #[test]
    fn finds_members_and_nothing_in_them() {
        let body = " {\"model\" :\t\"a\\\"b\" , \"x\": [{\"model\":\"no\"}, \"]\"],\n\"n\":-1.5e3,\"t\":true,\"o\":{}}\r\n";
        assert_eq!(
            found(body).unwrap(),
            [
                ("model", "\"a\\\"b\""),
                ("x", "[{\"model\":\"no\"}, \"]\"]"),
                ("n", "-1.5e3"),
                ("t", "true"),
                ("o", "{}")
            ]
        );
        assert_eq!(found("{}").unwrap(), []);
    }

    #[test]
    fn says_where_it_breaks() {
        for (body, at) in [
            ("", 0),
            ("[]", 0),
            ("{\"model\": \"x\", ", 15),
            ("{\"a\":}", 5),
            ("{\"a\":[}", 6),
            ("{\"a\":\"", 6),
            ("{\"a\":\"\\", 7),
            ("{\"a\":1} x", 8),
            ("{\"a\" 1}", 5),
            ("{\"a\":1 2}", 7),
        ] {
            assert_eq!(found(body).unwrap_err().at.min(body.len()), at, "{body}");
        }
    }

    #[test]
    fn finds_the_elements_of_an_array() {
        let found = |array: &str| {
            let mut list = Vec::new();
            let whole = elements(array.as_bytes(), |value| list.push(array[value].to_owned()));
            whole.map(|()| list)
        };
        assert_eq!(
            found(" [ {\"a\":[1,2]} ,\"]\",-1 , []]\n").unwrap(),
            ["{\"a\":[1,2]}", "\"]\"", "-1", "[]"]
        );
        assert_eq!(found("[ ]").unwrap(), [""; 0]);
        for broken in ["", "{}", "[1", "[1,]", "[1 2]", "[1]]", "[,]"] {
            assert!(found(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn finds_an_own_member_by_its_name() {
        let found = |text: &'static str| {
            late_member(text.as_bytes(), &memmem::Finder::new("\"u\""))
                .map(|value| std::str::from_utf8(value).unwrap())
        };
        assert_eq!(found(r#"{"a":1,"u" : {"u":[2]} ,"b":"x}"} "#), Some(r#"{"u":[2]}"#));
        assert_eq!(found(r#"{"u":1,"u":2}"#), Some("2"), "parsers take the last one");
        assert_eq!(found(r#"{"a":"[\"u\":1]","u" : {"n":[2]} ,"b":"x}"} "#), Some(r#"{"n":[2]}"#));
        assert_eq!(found(r#"{"u":1}"#), Some("1"));
        for other in [
            r#"{"a":{"u":1}}"#,
            r#"[{"u":1}]"#,
            r#"{"a":"u"}"#,
            r#"{"\"u":1}"#,
            r#"{"a":"\"u\":1}"}"#,
            r#"{"u":1"#,
            r#"{"u":1} x"#,
            r#""u""#,
        ] {
            assert_eq!(found(other), None, "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_late_member_is_the_last_of_its_name(text in "\\{(\"(u|v)\":(1|\"u\"|\"\\\\\"u\\\\\":\"|\\{\"u\":2\\}),?){0,4}\\}") {
            let mut last = None;
            let whole = members(text.as_bytes(), |key, range| {
                if key == b"u" {
                    last = text.get(range);
                }
            });
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            if whole.is_ok() && is_json && let Some(late) = late_member(text.as_bytes(), &memmem::Finder::new("\"u\"")) {
                proptest::prop_assert_eq!(Some(late), last.map(str::as_bytes));
            }
        }

        #[test]
        fn a_string_ends_where_it_does(text in "[a\"\\\\]{0,3}.{0,40}[\"\\\\]?.{0,40}") {
            let bytes = text.as_bytes();
            let plain = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
            proptest::prop_assert_eq!(quote_or_backslash(bytes), plain);
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = late_member(&bytes, &memmem::Finder::new(""));
            let _ = members(&bytes, |_, _| ());
            let _ = elements(&bytes, |_| ());
        }

        #[test]
        fn never_panics_on_brackets(text in "[\\[\\]{}\",:\\\\a 1]{0,40}") {
            let _ = members(text.as_bytes(), |_, _| ());
            let _ = elements(text.as_bytes(), |_| ());
        }
    }

    #[test]
    fn elements_of_an_array_cut_anywhere() {
        let array = "[{\"a\":\"]\\\"}\"}\r\n,{\"b\":[{}]} ,\n{}]";
        for cut in 0..array.len() {
            let mut found = Vec::new();
            let mut elements = Elements::default();
            let (first, second) = array.as_bytes().split_at(cut);
            for chunk in [first, second] {
                elements.push(chunk, |element| {
                    found.push(String::from_utf8_lossy(element).into_owned());
                });
            }
            assert_eq!(found, ["{\"a\":\"]\\\"}\"}", "{\"b\":[{}]}", "{}"], "cut at {cut}");
        }
    }
}
