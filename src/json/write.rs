//! Writes JSON as `serde_json` does, byte for byte, with strings taken eight bytes at a time: long texts are most of what is
//! written, and `serde_json` looks at each of their bytes by itself.

use serde::ser::{self, Serialize, Serializer};
use serde_json::{Error, Result};

use super::{RAW, repeated, zeros};

/// Appends a value. What cannot be JSON, or fails by itself, leaves the buffer as it was.
pub fn value<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    let mut writer = Writer { out, is_raw: false };
    let written = value.serialize(&mut writer);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Writes a text as a JSON string: the bytes that `serde_json` writes, which looks at each of them by itself.
pub fn string(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    out.reserve(rest.len() + 2);
    out.push(b'"');
    while let Some(at) = first_escaped(rest) {
        let (plain, behind) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = behind.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            control => {
                let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0') as u8;
                out.extend_from_slice(b"\\u00");
                out.extend([digit(control >> 4), digit(control & 15)]);
            }
        }
        rest = behind;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Where the first byte is that cannot stand in a JSON string as it is.
fn first_escaped(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        // Below a space: as `zeros`, for 0x20 in the place of 1.
        let control = word.wrapping_sub(repeated(0x20)) & !word & repeated(0x80);
        let found = control | zeros(word ^ repeated(b'"')) | zeros(word ^ repeated(b'\\'));
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\'))?;
    Some(words.len() * 8 + at)
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    /// Whether the next string is JSON already.
    is_raw: bool,
}

/// A list or an object that is being written.
struct Compound<'w, 'o> {
    writer: &'w mut Writer<'o>,
    is_empty: bool,
    close: &'static [u8],
}

impl<'o> Writer<'o> {
    fn begin<'w>(&'w mut self, open: u8, close: &'static [u8]) -> Compound<'w, 'o> {
        self.out.push(open);
        Compound { writer: self, is_empty: true, close }
    }

    /// An object with one member, whose value is about to be written.
    fn begin_variant(&mut self, name: &str) {
        self.out.push(b'{');
        string(name, self.out);
        self.out.push(b':');
    }

    fn integer(&mut self, number: impl itoa::Integer) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// The methods for whole numbers, which differ in their type alone.
macro_rules! integers {
    ($($method:ident($number:ty)),+ $(,)?) => {$(
        fn $method(self, number: $number) -> Result<()> {
            self.integer(number);
            Ok(())
        }
    )+};
}

impl<'w, 'o> Serializer for &'w mut Writer<'o> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'w, 'o>;
    type SerializeTuple = Compound<'w, 'o>;
    type SerializeTupleStruct = Compound<'w, 'o>;
    type SerializeTupleVariant = Compound<'w, 'o>;
    type SerializeMap = Compound<'w, 'o>;
    type SerializeStruct = Compound<'w, 'o>;
    type SerializeStructVariant = Compound<'w, 'o>;

    fn serialize_bool(self, truth: bool) -> Result<()> {
        self.out.extend_from_slice(if truth { b"true" } else { b"false" });
        Ok(())
    }

    integers! {
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
    }

    fn serialize_f32(self, number: f32) -> Result<()> {
        serde_json::to_writer(&mut *self.out, &number)
    }

    fn serialize_f64(self, number: f64) -> Result<()> {
        serde_json::to_writer(&mut *self.out, &number)
    }

    fn serialize_char(self, letter: char) -> Result<()> {
        self.serialize_str(letter.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<()> {
        if self.is_raw {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            string(text, self.out);
        }
        Ok(())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<()> {
        self.collect_seq(bytes)
    }

    fn serialize_none(self) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<()> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<()> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Result<()> {
        self.serialize_str(name)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<()> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<()> {
        self.begin_variant(name);
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'w, 'o>> {
        Ok(self.begin(b'[', b"]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'w, 'o>> {
        Ok(self.begin(b'[', b"]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'w, 'o>> {
        Ok(self.begin(b'[', b"]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Compound<'w, 'o>> {
        self.begin_variant(name);
        Ok(self.begin(b'[', b"]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'w, 'o>> {
        Ok(self.begin(b'{', b"}"))
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Compound<'w, 'o>> {
        if name == RAW {
            self.is_raw = true;
            return Ok(Compound { writer: self, is_empty: true, close: b"" });
        }
        Ok(self.begin(b'{', b"}"))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Compound<'w, 'o>> {
        self.begin_variant(name);
        Ok(self.begin(b'{', b"}}"))
    }
}

impl Compound<'_, '_> {
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.writer.out.push(b',');
        }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.comma();
        value.serialize(&mut *self.writer)
    }

    fn member<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<()> {
        if self.writer.is_raw {
            value.serialize(&mut *self.writer)?;
            self.writer.is_raw = false;
            return Ok(());
        }
        self.comma();
        string(key, self.writer.out);
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn finish(self) {
        self.writer.out.extend_from_slice(self.close);
    }
}

/// The kinds of lists, which differ in their trait alone.
macro_rules! lists {
    ($($kind:ident::$method:ident),+ $(,)?) => {$(
        impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
                self.element(value)
            }

            fn end(self) -> Result<()> {
                self.finish();
                Ok(())
            }
        }
    )+};
}

lists! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

/// The kinds of structs, likewise.
macro_rules! structs {
    ($($kind:ident),+) => {$(
        impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<()> {
                self.member(key, value)
            }

            fn end(self) -> Result<()> {
                self.finish();
                Ok(())
            }
        }
    )+};
}

structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<()> {
        self.comma();
        let start = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        // A key is a string, whatever it was.
        if self.writer.out.get(start) != Some(&b'"') {
            self.writer.out.insert(start, b'"');
            self.writer.out.push(b'"');
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.writer.out.push(b':');
        value.serialize(&mut *self.writer)
    }

    fn end(self) -> Result<()> {
        self.finish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;
    use serde_json::value::RawValue;

    use super::*;

    #[derive(Serialize)]
    struct Marker;

    #[derive(Serialize)]
    struct Name<'a>(&'a str);

    #[derive(Serialize)]
    enum Kind<'a> {
        Plain,
        New(&'a str),
        Pair(u8, i64),
        Named { a: &'a str, b: Option<bool> },
    }

    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Tagged<'a> {
        Text { text: &'a str },
    }

    #[derive(Serialize)]
    struct All<'a> {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        absent: Option<u8>,
        null: Option<u8>,
        unit: (),
        marker: Marker,
        name: Name<'a>,
        letter: char,
        small: f32,
        large: f64,
        wide: (i8, u16, i32, u64),
        kinds: [Kind<'a>; 4],
        tagged: Tagged<'a>,
        raw: Vec<&'a RawValue>,
        maybe: Option<Box<RawValue>>,
        numbers: BTreeMap<u8, bool>,
        texts: BTreeMap<&'a str, Vec<u8>>,
        #[serde(flatten)]
        rest: BTreeMap<&'a str, &'a RawValue>,
    }

    fn all<'a>(text: &'a str, number: f64, raw: &'a RawValue) -> All<'a> {
        All {
            text,
            absent: None,
            null: None,
            unit: (),
            marker: Marker,
            name: Name(text),
            letter: '"',
            small: 0.1,
            large: number,
            wide: (i8::MIN, u16::MAX, -1, u64::MAX),
            kinds: [
                Kind::Plain,
                Kind::New(text),
                Kind::Pair(0, i64::MIN),
                Kind::Named { a: text, b: Some(true) },
            ],
            tagged: Tagged::Text { text },
            raw: vec![raw, raw],
            maybe: Some(raw.to_owned()),
            numbers: BTreeMap::from([(1, true), (2, false)]),
            texts: BTreeMap::from([(text, vec![]), ("x", vec![1, 2])]),
            rest: BTreeMap::from([("r1", raw), ("r2", raw)]),
        }
    }

    proptest::proptest! {
        #[test]
        fn everything_is_written_as_serde_json_does(
            text in "[a-z\"\\\\\\x00-\\x1fä€😀 \x7f\u{80}]{0,60}",
            number: f64,
        ) {
            let raw: &RawValue = serde_json::from_str(r#"{"a" : [1,"\u0061\""]}"#).unwrap();
            let all = all(&text, number, raw);
            let mut out = Vec::new();
            value(&all, &mut out).unwrap();
            proptest::prop_assert_eq!(
                String::from_utf8(out).unwrap(),
                serde_json::to_string(&all).unwrap()
            );
        }
    }

    #[test]
    fn what_is_no_number_is_null() {
        let mut out = Vec::new();
        value(&[f64::NAN, f64::INFINITY], &mut out).unwrap();
        assert_eq!(out, b"[null,null]");
    }

    #[test]
    fn what_fails_leaves_nothing() {
        struct Broken;
        impl Serialize for Broken {
            fn serialize<S: Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
                Err(ser::Error::custom("no"))
            }
        }
        let mut out = b"x".to_vec();
        assert!(value(&("a", Broken), &mut out).is_err());
        assert_eq!(out, b"x");
    }
}
