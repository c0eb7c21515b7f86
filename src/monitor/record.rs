//! What is remembered of one request: a row for the list, and what its detail adds.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A word of ours, which costs nothing to hand on; owned where it was read back.
pub type Word = Cow<'static, str>;

/// How a request ended whose client did not wait for the answer.
pub const CLIENT_LEFT: &str = "client left";
/// How a request ended whose tokens the gateway counted itself.
pub const ESTIMATED: &str = "estimated";

/// One request as the list shows it. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its id: `x-request-id` of the answer.
    pub id: String,
    /// When it began.
    pub time: Time,
    /// Who asked.
    pub client: Option<SocketAddr>,
    /// Whose key it was; there is one key for all, so nobody's yet.
    pub caller: Option<String>,
    /// What the client speaks.
    pub dialect: Word,
    /// `GET`, `POST`, …
    pub method: Word,
    /// The path, without the query.
    pub path: String,
    /// The model as it was asked for.
    pub model: Option<String>,
    /// The model as the account was asked for it.
    pub used: Option<Arc<str>>,
    /// The account that was asked last.
    pub account: Option<Arc<str>>,
    /// Whether a stream was asked for.
    pub stream: bool,
    /// What the client got; `None` where it got nothing.
    pub status: Option<u16>,
    /// How it ended, where not well.
    pub outcome: Option<Word>,
    /// How long it waited for an account.
    pub waited_ms: u64,
    /// Until the answer began, where it did.
    pub first_byte_ms: Option<u64>,
    /// Until it was over.
    pub total_ms: u64,
    /// Accounts asked.
    pub attempts: u32,
    /// Tokens of the prompt, cached ones included.
    pub input: u64,
    /// Those of them that came from the provider's cache.
    pub cached: u64,
    /// Tokens of the answer, thoughts included.
    pub output: u64,
    /// Those of them that were thoughts, as far as the provider says.
    pub reasoning: u64,
    /// What a translation left out.
    pub dropped: Vec<Word>,
}

/// One request with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What the list shows.
    #[serde(flatten)]
    pub row: Row,
    /// Every attempt, in order.
    pub trail: Vec<Tried>,
    /// Why each account was asked or passed over, in words.
    pub explain: Vec<String>,
    /// What the client was told, where it was refused.
    pub error: Option<String>,
    /// What was said, where the owner wants that kept.
    pub bodies: Option<Box<Bodies>>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// The account that was asked.
    pub account: Arc<str>,
    /// The status that it answered with, if any.
    pub status: Option<u16>,
    /// What came of it.
    pub note: Word,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Where it was asked beside another one (`pool.hedge`): how long after the request's beginning, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hedge_ms: Option<u64>,
}

/// What was said, as far as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bodies {
    /// The client's request.
    #[serde(with = "text")]
    pub request: Vec<u8>,
    /// What the client heard.
    #[serde(with = "text")]
    pub response: Vec<u8>,
    /// Whether either was longer than what is kept.
    pub truncated: bool,
}

impl Bodies {
    /// Bytes that are kept of each.
    pub const MOST: usize = 64 * 1024;

    /// Keeps the beginning of a request.
    pub fn ask(&mut self, body: &[u8]) {
        self.truncated |= keep(&mut self.request, body);
    }

    /// Keeps another piece of the answer.
    pub fn hear(&mut self, piece: &[u8]) {
        self.truncated |= keep(&mut self.response, piece);
    }
}

/// Appends as much as there is room for; says whether that was not all.
fn keep(kept: &mut Vec<u8>, piece: &[u8]) -> bool {
    let room = Bodies::MOST.saturating_sub(kept.len());
    kept.extend_from_slice(piece.get(..room).unwrap_or(piece));
    piece.len() > room
}

impl Row {
    /// Its place in the order of time.
    pub fn number(&self) -> i64 {
        number(&self.id).unwrap_or_else(|| self.time.first_number())
    }

    /// Whether it ended in an error. That a client leaves is none, and an estimate is an answer.
    pub fn failed(&self) -> bool {
        match self.outcome.as_deref() {
            Some(CLIENT_LEFT) => false,
            None | Some(ESTIMATED) => self.status.is_none_or(|status| status >= 400),
            Some(_) => true,
        }
    }
}

impl Record {
    /// What it weighs in memory, in bytes, roughly.
    pub fn size(&self) -> usize {
        let bodies = self.bodies.as_ref();
        let bodies = bodies.map_or(0, |bodies| bodies.request.len() + bodies.response.len());
        let error = self.error.as_ref().map_or(0, String::len);
        let model = self.row.model.as_ref().map_or(0, String::len);
        let used = self.row.used.as_ref().map_or(0, |used| used.len());
        let tried = |tried: &Tried| size_of::<Tried>() + tried.account.len() + tried.note.len();
        let trail: usize = self.trail.iter().map(tried).sum();
        let explain: usize = self.explain.iter().map(|line| size_of::<String>() + line.len()).sum();
        512 + self.row.path.len() + model + used + trail + explain + error + bodies
    }
}

/// Bits of a number below those of the millisecond.
const CHANCE: u32 = 20;

/// A request's place in the order of time, read from its id: the millisecond, and the first twenty bits of its chance.
/// `None` for what is no id.
pub fn number(id: &str) -> Option<i64> {
    let letters = id.strip_prefix("req_")?.as_bytes();
    // Thirteen of the twenty letters hold the first 65 of the hundred bits, of which the first is not set for long.
    let mut bits: i64 = 0;
    for letter in letters.get(..13)? {
        let value = *VALUES.get(usize::from(*letter)).filter(|value| **value < 32)?;
        if bits > i64::MAX >> 5 {
            return None;
        }
        bits = bits << 5 | i64::from(value);
    }
    Some(bits)
}

/// What each letter of an id stands for; 32 for what is none.
#[expect(clippy::indexing_slicing, reason = "in a constant, which the compiler looks at")]
const VALUES: [u8; 128] = {
    const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
    let mut values = [32; 128];
    let mut value: u8 = 0;
    while value < 32 {
        values[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// A moment, in milliseconds since 1970; written as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// The first number of the requests that began then.
    pub fn first_number(self) -> i64 {
        i64::try_from(u128::from(self.0) << CHANCE).unwrap_or(i64::MAX)
    }

    /// When a request of this number began.
    pub fn of_number(number: i64) -> Self {
        Self(u64::try_from(number).unwrap_or_default() >> CHANCE)
    }

    /// Reads RFC 3339 (`2026-01-31T12:00:00Z`), or the day alone, in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let whole = format!("{text}T00:00:00Z");
        let time = humantime::parse_rfc3339_weak(text)
            .or_else(|_| humantime::parse_rfc3339_weak(&whole))
            .ok()?;
        let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
        u64::try_from(since.as_millis()).ok().map(Self)
    }

    fn system(self) -> std::time::SystemTime {
        // Later than a file can say is as good as now.
        let since = std::time::Duration::from_millis(self.0.min(LATEST));
        std::time::UNIX_EPOCH + since
    }

    /// Without the milliseconds: `2026-01-31T12:00:00Z`.
    pub fn seconds(self) -> impl fmt::Display {
        humantime::format_rfc3339_seconds(self.system())
    }
}

/// The end of the year 9999, which RFC 3339 ends with.
const LATEST: u64 = 253_402_300_799_999;

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(self.system()).fmt(f)
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'_, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a time in RFC 3339 is expected"))
    }
}

/// Bytes as text: what is no UTF-8 in them is replaced.
mod text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(from).map(String::into_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        let time = Time(1_769_860_800_123);
        assert_eq!(time.to_string(), "2026-01-31T12:00:00.123Z");
        assert_eq!(Time::parse("2026-01-31T12:00:00.123Z"), Some(time));
        assert_eq!(Time::parse("2026-01-31").unwrap().to_string(), "2026-01-31T00:00:00.000Z");
        assert_eq!(Time::parse("yesterday"), None);
        assert!(Time(u64::MAX).to_string().starts_with("9999-"));
    }

    #[test]
    fn bodies_are_cut() {
        let mut bodies = Bodies::default();
        bodies.ask(&vec![b'a'; Bodies::MOST]);
        bodies.hear(&vec![b'a'; Bodies::MOST - 1]);
        assert!(!bodies.truncated);
        bodies.hear(b"bc");
        assert!(bodies.truncated);
        assert_eq!((bodies.request.len(), bodies.response.len()), (Bodies::MOST, Bodies::MOST));
        assert_eq!(bodies.response.last(), Some(&b'b'));
    }
}
