//! Which conversation a request belongs to, as far as it can be told without parsing it: so that `cache_first` sends all its
//! turns to the account whose prompt cache holds it.
//!
//! What the client itself calls its session comes first: a header of its agent, `prompt_cache_key`
//! (<https://platform.openai.com/docs/guides/prompt-caching>), `metadata.user_id`, in which Claude Code puts its session.
//! Else the beginning tells: system text, tools and the first words that are no system's. They are the same in every turn, and
//! what a provider caches is a beginning.

use std::hash::{DefaultHasher, Hasher as _};

use http::HeaderMap;

use crate::json;

/// Headers in which agents name their session.
const SESSIONS: [&str; 6] = [
    "session-id",
    "session_id",
    "x-session-id",
    "x-session-affinity",
    "x-claude-code-session-id",
    "thread-id",
];
/// As much of each part is looked at: beginnings differ early, and a long one costs no more.
const LOOKED_AT: usize = 2048;

/// A number that is the same for all turns of a conversation, and on every run of the gateway.
pub fn key(headers: &HeaderMap, body: &[u8]) -> u64 {
    let mut hash = DefaultHasher::new();
    let session = SESSIONS.iter().find_map(|name| headers.get(*name));
    if let Some(session) = session.filter(|session| !session.is_empty()) {
        hash.write(session.as_bytes());
        return hash.finish();
    }
    let parts = Parts::of(body);
    if let Some(session) = parts.session {
        hash.write(session);
        return hash.finish();
    }
    for part in [parts.system, parts.tools] {
        add(part, &mut hash);
    }
    add_first_words(parts.turns, &mut hash);
    hash.finish()
}

/// The members of a request that tell.
#[derive(Default)]
struct Parts<'b> {
    session: Option<&'b [u8]>,
    system: &'b [u8],
    tools: &'b [u8],
    turns: &'b [u8],
}

impl<'b> Parts<'b> {
    fn of(body: &'b [u8]) -> Self {
        let mut parts = Self::default();
        let _ = json::members(body, |name, range| {
            let value = body.get(range).unwrap_or_default();
            match name {
                b"prompt_cache_key" if value.len() > 2 => parts.session = Some(value),
                b"metadata" => parts.session = parts.session.or_else(|| member(value, b"user_id")),
                b"system" | b"instructions" | b"systemInstruction" | b"system_instruction" => {
                    parts.system = value;
                }
                b"tools" => parts.tools = value,
                b"messages" | b"input" | b"contents" => parts.turns = value,
                _ => {}
            }
        });
        parts
    }
}

/// A member's value, where it is a string that says something.
fn member<'b>(object: &'b [u8], wanted: &[u8]) -> Option<&'b [u8]> {
    let mut found = None;
    json::members(object, |name, range| {
        if name == wanted {
            found = object.get(range);
        }
    })
    .ok()?;
    found.filter(|value| value.starts_with(b"\"") && value.len() > 2)
}

/// The turns up to the first that is no system's. Of each its words alone: marks for caching move from turn to turn.
fn add_first_words(turns: &[u8], hash: &mut DefaultHasher) {
    if !turns.starts_with(b"[") {
        return add(turns, hash);
    }
    let mut is_over = false;
    let _ = json::elements(turns, |range| {
        if is_over {
            return;
        }
        let turn = turns.get(range).unwrap_or_default();
        let role = member(turn, b"role").unwrap_or_default();
        is_over = !matches!(role, b"\"system\"" | b"\"developer\"");
        add_words(turn, hash);
    });
}

/// The strings under `content`, `parts` and `text`.
fn add_words(value: &[u8], hash: &mut DefaultHasher) {
    match value.first() {
        Some(b'"') => add(value, hash),
        Some(b'[') => {
            let _ = json::elements(value, |range| {
                add_words(value.get(range).unwrap_or_default(), hash);
            });
        }
        Some(b'{') => {
            let _ = json::members(value, |name, range| {
                if matches!(name, b"content" | b"parts" | b"text") {
                    add_words(value.get(range).unwrap_or_default(), hash);
                }
            });
        }
        Some(_) | None => {}
    }
}

fn add(part: &[u8], hash: &mut DefaultHasher) {
    hash.write_usize(part.len());
    hash.write(part.get(..LOOKED_AT).unwrap_or(part));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str) -> u64 {
        key(&HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn turns_of_a_conversation_are_alike_in_every_dialect() {
        for (first, second, other) in [
            (
                r#"{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"A"}]}"#,
                r#"{"messages":[{"role":"system","content":"S"},{"role":"user","content":"A"},{"role":"assistant","content":"x"}],"stream":true}"#,
                r#"{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","content":"B"}]}"#,
            ),
            (
                r#"{"system":"S","messages":[{"role":"user","content":[{"type":"text","text":"A","cache_control":{"type":"ephemeral"}}]}]}"#,
                r#"{"system":"S","messages":[{"role":"user","content":[{"type":"text","text":"A"}]},{"role":"assistant","content":"x"}]}"#,
                r#"{"system":"T","messages":[{"role":"user","content":[{"type":"text","text":"A"}]}]}"#,
            ),
            (
                r#"{"instructions":"S","input":[{"role":"user","content":"A"}]}"#,
                r#"{"instructions":"S","input":[{"role":"user","content":"A"},{"type":"reasoning","id":"r"}]}"#,
                r#"{"instructions":"S","tools":[],"input":[{"role":"user","content":"A"}]}"#,
            ),
            (
                r#"{"contents":[{"role":"user","parts":[{"text":"A"}]}]}"#,
                r#"{"contents":[{"role":"user","parts":[{"text":"A"}]},{"role":"model","parts":[{"text":"x"}]}]}"#,
                r#"{"contents":[{"role":"user","parts":[{"text":"A"},{"text":"B"}]}]}"#,
            ),
        ] {
            assert_eq!(of(first), of(second), "{first}");
            assert_ne!(of(first), of(other), "{first}");
        }
    }

    #[test]
    fn what_the_client_calls_its_session_comes_first() {
        let keyed = |key: &str, text: &str| {
            of(&format!(r#"{{"prompt_cache_key":"{key}","input":"{text}"}}"#))
        };
        assert_eq!(keyed("k", "A"), keyed("k", "B"));
        assert_ne!(keyed("k", "A"), keyed("l", "A"));
        let user = |user: &str, text: &str| {
            of(&format!(r#"{{"metadata":{{"user_id":"{user}"}},"messages":"{text}"}}"#))
        };
        assert_eq!(user("u", "A"), user("u", "B"));
        let mut headers = HeaderMap::new();
        headers.insert("x-claude-code-session-id", "s1".parse().unwrap());
        assert_eq!(key(&headers, b"{}"), key(&headers, br#"{"prompt_cache_key":"k"}"#));
        assert_ne!(key(&headers, b"{}"), of("{}"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes: Vec<u8>, text in "\\{(\"(messages|content|text|metadata|user_id|input)\":|[\\[\\]{}\",:a1])*") {
            let _ = key(&HeaderMap::new(), &bytes);
            let _ = key(&HeaderMap::new(), text.as_bytes());
        }
    }
}
