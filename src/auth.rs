//! Who asks: any right credential among those a client sends is enough.

use http::HeaderMap;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::config::Secret;

/// The headers and the query parameter that may carry the key, for messages.
pub const ACCEPTED: &str = "`Authorization: Bearer KEY`, `Authorization: KEY`, `x-api-key: KEY`, `x-goog-api-key: KEY` or `?key=KEY`";

/// The keys that clients may use: hashes alone are kept.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    hashes: Vec<[u8; 32]>,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It carried no credential at all.
    Missing,
    /// None of its credentials is right.
    Wrong,
}

impl Keys {
    /// Takes the keys that are right.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a Secret>) -> Self {
        Self { hashes: keys.into_iter().map(|key| hash(key.expose().as_bytes())).collect() }
    }

    /// Whether any credential of a request is right. Takes the same time whichever key is near.
    pub fn check(&self, headers: &HeaderMap, query: Option<&str>) -> Result<(), Refused> {
        let mut seen = false;
        let mut right = Choice::from(0);
        each_credential(headers, query, |credential| {
            seen = true;
            let hash = hash(credential);
            for known in &self.hashes {
                right |= known.ct_eq(&hash);
            }
        });
        match (seen, right.into()) {
            (_, true) => Ok(()),
            (true, false) => Err(Refused::Wrong),
            (false, false) => Err(Refused::Missing),
        }
    }
}

/// Keys are compared by their hashes, so that neither length nor content shows in the time taken.
fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

fn each_credential(headers: &HeaderMap, query: Option<&str>, mut each: impl FnMut(&[u8])) {
    for value in headers.get_all(http::header::AUTHORIZATION) {
        each(bearer(value.as_bytes().trim_ascii()));
    }
    for name in ["x-api-key", "x-goog-api-key"] {
        for value in headers.get_all(name) {
            each(value.as_bytes().trim_ascii());
        }
    }
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if name == "key" {
            each(value.as_bytes());
        }
    }
}

/// The key of an `Authorization` value: with the scheme `Bearer` in any case, or bare.
fn bearer(value: &[u8]) -> &[u8] {
    match value.split_at_checked(7) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case(b"bearer ") => key.trim_ascii(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&str, &str)], query: Option<&str>) -> Result<(), Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        Keys::new(&[Secret::new("sk-right-key")]).check(&map, query)
    }

    #[test]
    fn every_form_is_accepted() {
        for (name, value) in [
            ("authorization", "Bearer sk-right-key"),
            ("authorization", "bearer  sk-right-key "),
            ("authorization", "BEARER sk-right-key"),
            ("authorization", "sk-right-key"),
            ("x-api-key", "sk-right-key"),
            ("x-goog-api-key", "sk-right-key"),
        ] {
            assert_eq!(check(&[(name, value)], None), Ok(()), "{name}: {value}");
        }
        assert_eq!(check(&[], Some("alt=sse&key=sk%2Dright-key")), Ok(()));
    }

    #[test]
    fn one_right_credential_is_enough() {
        let headers = [("authorization", "Bearer wrong"), ("x-api-key", "sk-right-key")];
        assert_eq!(check(&headers, Some("key=wrong")), Ok(()));
    }

    #[test]
    fn missing_and_wrong_are_told_apart() {
        assert_eq!(check(&[], None), Err(Refused::Missing));
        assert_eq!(check(&[("x-api-key", "")], None), Err(Refused::Wrong));
        assert_eq!(check(&[("authorization", "Bearer sk-right-ke")], None), Err(Refused::Wrong));
        assert_eq!(check(&[("authorization", "Basic sk-right-key")], None), Err(Refused::Wrong));
    }
}
