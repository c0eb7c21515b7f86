//! Writing JSON member by member: what is written once is never built first.

use serde::Serialize;

use crate::json;

/// An object that is being written.
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes a member's key; the caller writes its value.
    pub fn key(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub fn put<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        write(self.key(key), value);
    }

    /// A text that may be long.
    pub fn put_text(&mut self, key: &str, text: &str) {
        json::write::string(text, self.key(key));
    }

    pub fn put_some<T: Serialize>(&mut self, key: &str, value: Option<T>) {
        if let Some(value) = value {
            self.put(key, &value);
        }
    }

    pub fn object(&mut self, key: &str) -> Object<'_> {
        Object::begin(self.key(key))
    }

    pub fn list(&mut self, key: &str) -> List<'_> {
        List::begin(self.key(key))
    }

    pub fn end(self) {
        self.out.push(b'}');
    }
}

/// A list that is being written.
#[derive(Debug)]
pub struct List<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> List<'o> {
    pub fn begin(out: &'o mut Vec<u8>) -> Self {
        out.push(b'[');
        Self { out, empty: true }
    }

    /// Begins the next item; the caller writes it.
    pub fn item(&mut self) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.empty, false) {
            self.out.push(b',');
        }
        self.out
    }

    pub fn object(&mut self) -> Object<'_> {
        Object::begin(self.item())
    }

    pub fn end(self) {
        self.out.push(b']');
    }
}

/// Appends a value as JSON.
pub fn write<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Strings, numbers, booleans and raw JSON into memory: there is nothing that could fail.
    let _ = json::write::value(value, out);
}
