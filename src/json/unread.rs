//! Which members of a JSON text does nobody read? Deserializes as `serde_json` does, and tells of those that the types have
//! no field for.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::de::Read;
use serde_json::value::RawValue;

use super::RAW;

/// Where a member stands: its key, and the members that it is in. Places in lists are not told.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    within: Option<&'p Self>,
    key: &'p str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(within) = self.within {
            write!(f, "{within}.")?;
        }
        f.write_str(self.key)
    }
}

/// Who is told of a member that nobody reads.
type Tell<'t> = &'t mut dyn FnMut(&Place<'_>);

/// Reads a whole JSON text. `tell` hears of each member without a field that says something: null, an empty text and an
/// empty list or object say nothing.
pub fn read<'de, T: Deserialize<'de>>(
    text: impl Read<'de>,
    tell: &mut dyn FnMut(&Place<'_>),
) -> serde_json::Result<T> {
    let mut inner = serde_json::Deserializer::new(text);
    let value = T::deserialize(Watched { inner: &mut inner, at: None, own: false, tell })?;
    inner.end()?;
    Ok(value)
}

/// A deserializer, a seed, a visitor or the elements of a list, with what is said of the value there.
struct Watched<'w, X> {
    inner: X,
    at: Option<&'w Place<'w>>,
    /// Whether the value is a member's own: what is ignored then has no field.
    own: bool,
    tell: Tell<'w>,
}

/// Hands on each kind of value as what it is asked for: an error stands where `serde_json` puts it.
macro_rules! hand_on {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let Self { inner, at, own, tell } = self;
            inner.$method(Watched { inner: visitor, at, own, tell })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Watched<'_, D> {
    type Error = D::Error;

    hand_on! {
        deserialize_any deserialize_bool deserialize_i64 deserialize_u32 deserialize_u64 deserialize_f64
        deserialize_str deserialize_string deserialize_option deserialize_unit deserialize_seq deserialize_map
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, at, own, tell } = self;
        inner.deserialize_struct(name, fields, Watched { inner: visitor, at, own, tell })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let Self { inner, at, own, tell } = self;
        if name == RAW {
            return inner.deserialize_newtype_struct(name, visitor);
        }
        inner.deserialize_newtype_struct(name, Watched { inner: visitor, at, own, tell })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        // A field that is only noticed is ignored too, but as a part of its `Option`.
        let Some(place) = self.at.filter(|place| self.own && !place.key.is_empty()) else {
            return self.inner.deserialize_ignored_any(visitor);
        };
        if says_something(<&RawValue>::deserialize(self.inner)?) {
            (self.tell)(place);
        }
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u128 f32 char bytes byte_buf unit_struct tuple tuple_struct identifier
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Watched<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let Self { inner, at, own, tell } = self;
        inner.deserialize(Watched { inner: deserializer, at, own, tell })
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Watched<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<V::Value, E> {
        self.inner.visit_bool(value)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<V::Value, E> {
        self.inner.visit_i64(value)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<V::Value, E> {
        self.inner.visit_u64(value)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        self.inner.visit_f64(value)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<V::Value, E> {
        self.inner.visit_str(value)
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<V::Value, E> {
        self.inner.visit_borrowed_str(value)
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Watched { inner, at: self.at, own: false, tell: self.tell })
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Watched { inner, at: self.at, own: false, tell: self.tell })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Watched { inner, at: self.at, own: false, tell: self.tell })
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let (within, key) = (self.at, Cow::Borrowed(""));
        self.inner.visit_map(Members { inner, within, key, tell: self.tell })
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Watched<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        let Self { inner, at, tell, .. } = self;
        inner.next_element_seed(Watched { inner: seed, at: *at, own: false, tell: &mut **tell })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// The members of an object.
struct Members<'w, 'de, A> {
    inner: A,
    within: Option<&'w Place<'w>>,
    /// Of the member at hand; empty where nobody reads keys.
    key: Cow<'de, str>,
    tell: Tell<'w>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, A::Error> {
        self.key = Cow::Borrowed("");
        self.inner.next_key_seed(Keyed { inner: seed, key: &mut self.key })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let place = Place { within: self.within, key: &self.key };
        let seed = Watched { inner: seed, at: Some(&place), own: true, tell: &mut *self.tell };
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// A key's seed, deserializer or visitor, which keeps the key.
struct Keyed<'k, 'de, X> {
    inner: X,
    key: &'k mut Cow<'de, str>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Keyed<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Keyed { inner: deserializer, key: self.key })
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Keyed<'_, 'de, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(Keyed { inner: visitor, key: self.key })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_ignored_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Keyed<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<V::Value, E> {
        *self.key = Cow::Owned(key.to_owned());
        self.inner.visit_str(key)
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<V::Value, E> {
        *self.key = Cow::Borrowed(key);
        self.inner.visit_borrowed_str(key)
    }
}

/// Whether a value says anything.
fn says_something(value: &RawValue) -> bool {
    let text = value.get();
    let inside = text.get(1..text.len() - 1).unwrap_or_default().trim();
    match text.as_bytes().first() {
        Some(b'n') | None => false,
        Some(b'"' | b'[' | b'{') => !inside.is_empty(),
        Some(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IgnoredAny;
    use serde_json::de::StrRead;

    #[derive(Debug, serde::Deserialize)]
    struct Outer<'a> {
        #[serde(borrow)]
        list: Option<Vec<Inner<'a>>>,
        noticed: Option<IgnoredAny>,
        #[serde(borrow)]
        raw: Option<&'a RawValue>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Inner<'a> {
        text: Cow<'a, str>,
    }

    fn unread(text: &str) -> (Outer<'_>, Vec<String>) {
        let mut told = Vec::new();
        let value = read(StrRead::new(text), &mut |place| told.push(place.to_string())).unwrap();
        (value, told)
    }

    #[test]
    fn a_member_without_a_field_is_told_by_its_place() {
        let text = r#"{"typo":1,"list":[{"text":"a\n","more":{"x":1}},{"text":"b","o\u0064d":[0]}],"huge":1e999}"#;
        let (value, told) = unread(text);
        let texts: Vec<_> = value.list.iter().flatten().map(|inner| &*inner.text).collect();
        assert_eq!(texts, ["a\n", "b"]);
        assert_eq!(told, ["typo", "list.more", "list.odd", "huge"]);
    }

    #[test]
    fn what_is_noticed_or_kept_as_it_is_has_a_field() {
        let (value, told) = unread(r#"{"noticed":{"a":1},"raw":{"b": 2}}"#);
        assert!(value.noticed.is_some() && told.is_empty(), "{told:?}");
        assert_eq!(value.raw.map(RawValue::get), Some(r#"{"b": 2}"#));
    }

    #[test]
    fn what_says_nothing_is_not_told() {
        let (_, told) = unread(r#"{"a":null,"b":"","c":[ ],"d":{},"e":false,"f":[null]}"#);
        assert_eq!(told, ["e", "f"]);
    }

    #[test]
    fn errors_are_those_of_serde_json() {
        for text in [r#"{"list":[{"text":5}]}"#, r#"{"list":{}}"#, "{", "{} x", r#"{"x":tru}"#] {
            let own = read::<Outer<'_>>(StrRead::new(text), &mut |_| {}).unwrap_err();
            let theirs = serde_json::from_str::<Outer<'_>>(text).unwrap_err();
            assert_eq!(own.to_string(), theirs.to_string());
        }
    }
}
