//! The model's name in a forwarded answer: where an alias or a model map stands between, the client hears the name that it
//! asked for, as it does from a translated one. Every other byte stays.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr2, memmem};

use crate::json;

/// Puts one name in the place of another.
#[derive(Debug)]
pub struct Rename {
    /// The name that was asked for, as a JSON string.
    name: Vec<u8>,
    /// A stream's line that has begun.
    line: Vec<u8>,
}

impl Rename {
    /// Gives answers the name that the client asked for.
    pub fn new(asked: &str) -> Self {
        Self { name: serde_json::to_vec(asked).unwrap_or_default(), line: Vec::new() }
    }

    /// A whole answer with its name.
    pub fn whole(&self, body: Bytes) -> Bytes {
        let Some(at) = place(&body) else { return body };
        let mut out = Vec::with_capacity(body.len() + self.name.len());
        self.splice(&body, at, &mut out);
        out.into()
    }

    /// Takes in a piece of an event stream, cut anywhere; gives the lines that are whole now.
    pub fn push(&mut self, mut chunk: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(self.line.len() + chunk.len() + self.name.len());
        while let Some(end) = memchr2(b'\n', b'\r', chunk) {
            let (piece, rest) = chunk.split_at(end + 1);
            if self.line.is_empty() {
                self.write_line(piece, &mut out);
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(piece);
                self.write_line(&line, &mut out);
            }
            chunk = rest;
        }
        self.line.extend_from_slice(chunk);
        out.into()
    }

    /// The stream is over: what is left of it.
    pub fn finish(&mut self) -> Bytes {
        let line = std::mem::take(&mut self.line);
        let mut out = Vec::with_capacity(line.len() + self.name.len());
        self.write_line(&line, &mut out);
        out.into()
    }

    fn write_line(&self, line: &[u8], out: &mut Vec<u8>) {
        const DATA: &[u8] = b"data:";
        let json = line.strip_prefix(DATA).unwrap_or_default();
        match place(json) {
            Some(at) => self.splice(line, at.start + DATA.len()..at.end + DATA.len(), out),
            None => out.extend_from_slice(line),
        }
    }

    fn splice(&self, text: &[u8], at: Range<usize>, out: &mut Vec<u8>) {
        out.extend_from_slice(text.get(..at.start).unwrap_or_default());
        out.extend_from_slice(&self.name);
        out.extend_from_slice(text.get(at.end..).unwrap_or_default());
    }
}

/// Where an answer or an event names its model: at its top (Chat Completions, Messages, Gemini), or in the answer that an
/// event carries (`response.created`, `message_start`).
fn place(json: &[u8]) -> Option<Range<usize>> {
    memmem::find(json, b"\"model")?;
    let (mut own, mut inside) = (None, None);
    json::members(json, |key, range| match key {
        b"model" | b"modelVersion" => own = Some(range),
        b"response" | b"message" => inside = Some(range),
        _ => {}
    })
    .ok()?;
    if own.is_none()
        && let Some(outer) = inside
    {
        json::members(json.get(outer.clone())?, |key, range| {
            if key == b"model" {
                own = Some(range.start + outer.start..range.end + outer.start);
            }
        })
        .ok()?;
    }
    own.filter(|at| json.get(at.start) == Some(&b'"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_events_of_every_dialect() {
        let rename = Rename::new("my \"alias\"");
        let named = r#""my \"alias\"""#;
        for body in [
            r#"{"id":"c","model":"@","choices":[{"message":{"content":"\"model\":\"x\""}}]}"#,
            r#"{"id":"r", "model" : "@" ,"output":[{"model":"x"}]}"#,
            r#"{"modelVersion":"@","candidates":[]}"#,
            r#"{"type":"message_start","message":{"id":"m","model":"@","content":[]}}"#,
            r#"{"type":"response.created","response":{"model":"@"},"sequence_number":0}"#,
        ] {
            let told = body.replace("\"@\"", "\"gpt-5\"");
            let said = rename.whole(told.clone().into());
            assert_eq!(said, body.replace("\"@\"", named), "{body}");
            let stream = format!("event: e\r\ndata: {told}\r\n\r\ndata: [DONE]\n\n: ping\n\n");
            let expected = stream.replace(&told, &body.replace("\"@\"", named));
            for cut in 0..=stream.len() {
                let mut rename = Rename::new("my \"alias\"");
                let mut out = rename.push(&stream.as_bytes()[..cut]).to_vec();
                out.extend_from_slice(&rename.push(&stream.as_bytes()[cut..]));
                out.extend_from_slice(&rename.finish());
                assert_eq!(String::from_utf8(out).unwrap(), expected, "cut at {cut}");
            }
        }
    }

    #[test]
    fn what_names_no_model_stays() {
        let rename = Rename::new("a");
        for body in ["", "no", "{", r#"{"model":null}"#, r#"{"x":{"model":"b"}}"#, r#"["model"]"#] {
            assert_eq!(rename.whole(body.into()), body);
        }
    }
}
