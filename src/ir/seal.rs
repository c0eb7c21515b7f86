//! A provider's opaque proof of its own reasoning, and how it travels through clients that have no field for it.
//!
//! Providers want back what they signed: Gemini the `thoughtSignature` of a call, Anthropic the `signature` of a thinking
//! block, OpenAI the `encrypted_content` of a reasoning item. A client of another dialect gets it packed into a string that
//! it returns unread: a signature, an `encrypted_content`, or the id of a tool call. Nothing is kept in the gateway, so it
//! works after a restart and on another replica.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::Text;

/// The issuer of a seal that stands in a client's own field in its native form: it came from an account of the client's
/// dialect, so it means nothing to another one.
pub const NATIVE: &str = "";

/// First bytes of every packed form: the format and its version.
const MAGIC: [u8; 3] = [0x96, 0xF5, 0x01];
/// What stands between a call's id and the seals packed behind it. All characters are legal in every dialect's ids.
const ID_MARK: &str = "-lvs1-";

/// One opaque proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal<'a> {
    /// Who made it and may read it: compared with the target's, never interpreted. `NATIVE` where it is not known.
    pub issuer: Text<'a>,
    /// What it proves.
    pub kind: SealKind,
    /// The id of the provider's item, where its proof is bound to one (OpenAI reasoning items).
    pub id: Text<'a>,
    /// The proof, byte for byte.
    pub data: Text<'a>,
}

/// What a seal proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SealKind {
    /// A piece of thinking: Anthropic `signature`, OpenAI `encrypted_content`, a Gemini signature on a thought or a text.
    Reasoning,
    /// Thinking that the provider hides whole: Anthropic `redacted_thinking.data`.
    Redacted,
    /// One tool call: Gemini `thoughtSignature`, its form in Chat Completions `extra_content`.
    Call,
    /// A chat message's `reasoning_details` array, as JSON (OpenRouter).
    Details,
}

impl Seal<'_> {
    /// The same seal, borrowing nothing.
    pub fn into_owned(self) -> Seal<'static> {
        Seal {
            issuer: Cow::Owned(self.issuer.into_owned()),
            kind: self.kind,
            id: Cow::Owned(self.id.into_owned()),
            data: Cow::Owned(self.data.into_owned()),
        }
    }
}

/// Packs seals into standard base64, for a field that a client returns unread.
pub fn to_text(seals: &[Seal<'_>]) -> String {
    STANDARD.encode(pack(seals))
}

/// Reads what `to_text` wrote, in either base64 alphabet, with or without padding (google-genai returns URL-safe base64).
/// `None`: it is something else, a provider's own value in its native form.
pub fn from_text(text: &str) -> Option<Vec<Seal<'static>>> {
    // MAGIC is three bytes, so it is always these four characters.
    if !(text.starts_with("lvUB") && text.len() > 8) {
        return None;
    }
    let standard: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| match c {
            '-' => '+',
            '_' => '/',
            other => other,
        })
        .collect();
    unpack(&STANDARD_NO_PAD.decode(standard).ok()?)
}

/// Appends seals to a call's id, for a client that keeps nothing else (Chat Completions).
pub fn wrap_id(id: &str, seals: &[Seal<'_>]) -> String {
    if seals.is_empty() {
        return id.to_owned();
    }
    format!("{id}{ID_MARK}{}", URL_SAFE_NO_PAD.encode(pack(seals)))
}

/// Splits an id into the provider's own id and the seals behind it. A cut or damaged tail is dropped: the id stays right.
pub fn unwrap_id(id: &str) -> (&str, Vec<Seal<'static>>) {
    let Some((own, tail)) = id.split_once(ID_MARK) else { return (id, Vec::new()) };
    let seals = URL_SAFE_NO_PAD.decode(tail).ok().and_then(|bytes| unpack(&bytes));
    (own, seals.unwrap_or_default())
}

/// `MAGIC`, four bytes of SHA-256 over the rest, then each seal: kind, encoding of the data, and three fields with their
/// lengths.
fn pack(seals: &[Seal<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for seal in seals {
        let (encoding, data) = Encoding::shortest(&seal.data);
        body.push(seal.kind as u8);
        body.push(encoding as u8);
        push_field(&mut body, seal.issuer.as_bytes());
        push_field(&mut body, seal.id.as_bytes());
        push_field(&mut body, &data);
    }
    let mut out = Vec::with_capacity(body.len() + 7);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&checksum(&body));
    out.extend_from_slice(&body);
    out
}

fn unpack(bytes: &[u8]) -> Option<Vec<Seal<'static>>> {
    let rest = bytes.strip_prefix(&MAGIC)?;
    let (sum, mut body) = rest.split_at_checked(4)?;
    if sum != checksum(body) {
        return None;
    }
    let mut seals = Vec::new();
    while let [kind, encoding, rest @ ..] = body {
        body = rest;
        let kind = SealKind::of_byte(*kind)?;
        let encoding = Encoding::of_byte(*encoding)?;
        let issuer = String::from_utf8(take_field(&mut body)?.to_vec()).ok()?;
        let id = String::from_utf8(take_field(&mut body)?.to_vec()).ok()?;
        let data = encoding.text(take_field(&mut body)?)?;
        seals.push(Seal { issuer: issuer.into(), kind, id: id.into(), data: data.into() });
    }
    Some(seals)
}

fn checksum(body: &[u8]) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::digest(body).into();
    let [a, b, c, d, ..] = digest;
    [a, b, c, d]
}

/// LEB128 length, then the bytes.
fn push_field(out: &mut Vec<u8>, field: &[u8]) {
    let mut length = field.len();
    while length >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "the low seven bits are meant")]
        out.push((length as u8 & 0x7F) | 0x80);
        length >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80 here")]
    out.push(length as u8);
    out.extend_from_slice(field);
}

fn take_field<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut length = 0_usize;
    for shift in (0..28).step_by(7) {
        let (first, rest) = body.split_first()?;
        *body = rest;
        length |= usize::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            let (field, rest) = body.split_at_checked(length)?;
            *body = rest;
            return Some(field);
        }
    }
    None
}

impl SealKind {
    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Reasoning),
            1 => Some(Self::Redacted),
            2 => Some(Self::Call),
            3 => Some(Self::Details),
            _ => None,
        }
    }
}

/// How the data of a seal is packed. Most proofs are base64: packed as the bytes behind it they take a quarter less.
#[derive(Clone, Copy)]
enum Encoding {
    Plain,
    Base64,
    Base64Url,
}

impl Encoding {
    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Plain),
            1 => Some(Self::Base64),
            2 => Some(Self::Base64Url),
            _ => None,
        }
    }

    /// The data as base64's bytes where encoding them again gives exactly the same text.
    fn shortest(data: &str) -> (Self, Cow<'_, [u8]>) {
        let same = |engine: &base64::engine::GeneralPurpose| {
            engine.decode(data).ok().filter(|bytes| engine.encode(bytes) == data)
        };
        if let Some(bytes) = same(&STANDARD) {
            return (Self::Base64, bytes.into());
        }
        if let Some(bytes) = same(&URL_SAFE_NO_PAD) {
            return (Self::Base64Url, bytes.into());
        }
        (Self::Plain, data.as_bytes().into())
    }

    fn text(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Plain => String::from_utf8(bytes.to_vec()).ok(),
            Self::Base64 => Some(STANDARD.encode(bytes)),
            Self::Base64Url => Some(URL_SAFE_NO_PAD.encode(bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(kind: SealKind, id: &'static str, data: &'static str) -> Seal<'static> {
        Seal { issuer: "anthropic/anthropic".into(), kind, id: id.into(), data: data.into() }
    }

    fn samples() -> Vec<Seal<'static>> {
        vec![
            seal(SealKind::Reasoning, "", "EqQBCkYIBxgCKkA="),
            seal(SealKind::Redacted, "rs_1", "gAAAAAB_-x"),
            seal(SealKind::Call, "", "not base64 at all: ü"),
            seal(SealKind::Details, "", ""),
        ]
    }

    #[test]
    fn text_round_trip_in_both_alphabets() {
        let text = to_text(&samples());
        assert_eq!(from_text(&text), Some(samples()));
        let url_safe = text.replace('+', "-").replace('/', "_").replace('=', "");
        assert_eq!(from_text(&url_safe), Some(samples()));
    }

    #[test]
    fn native_signatures_are_not_ours() {
        for native in ["", "EqQBCkYIBxgCKkA=", "lvUB", "lvUBAAAAAAAAAAAA", "gAAAAABm"] {
            assert_eq!(from_text(native), None, "{native}");
        }
    }

    #[test]
    fn id_round_trip() {
        let id = wrap_id("call_1", &samples());
        assert!(id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-'));
        assert_eq!(unwrap_id(&id), ("call_1", samples()));
        assert_eq!(unwrap_id("call_1"), ("call_1", vec![]));
        assert_eq!(wrap_id("call_1", &[]), "call_1");
    }

    #[test]
    fn a_cut_id_keeps_the_call() {
        let id = wrap_id("call_1", &samples());
        assert_eq!(unwrap_id(&id[..id.len() - 3]), ("call_1", vec![]));
    }
}
