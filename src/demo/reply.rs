//! What the demo answers to a turn, in no dialect's words.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::instance::instance;
use super::turn::{Choice, Format, Input, Tool, Turn, tokens};

const HONESTY: &str = "Levity demo (no model was asked).";
const THOUGHT: &str = "This is the demo, so nothing thinks here: the answer repeats what was said.";
const INVITATIONS: [&str; 4] = ["call a tool", "call the tool", "use a tool", "use the tool"];
/// Quotes are cut here, so that a long prompt does not stream for minutes.
const LONGEST_QUOTE: usize = 1000;
/// The same for each string of a call's arguments or of a schema's instance.
const LONGEST_STRING: usize = 200;
/// Longer questions are an agent's own instructions: they name tools and do not ask for them.
const LONGEST_WISH: usize = 1000;

/// An answer.
pub(super) struct Reply {
    /// Unique, of hexadecimal digits; dialects put their prefix before it.
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) blocks: Vec<Block>,
    pub(super) finish: Finish,
    pub(super) usage: Usage,
}

/// A piece of an answer.
pub(super) enum Block {
    Thinking(String),
    Text(String),
    Call { id: String, name: String, input: Arguments },
}

/// What a tool is called with.
pub(super) enum Arguments {
    Object(Value),
    Text(String),
}

/// Why an answer ends.
pub(super) enum Finish {
    Stop,
    /// At this stop sequence.
    Sequence(String),
    Length,
    Calls,
}

/// Estimated tokens.
pub(super) struct Usage {
    pub(super) input: usize,
    /// All of the answer, thinking included.
    pub(super) output: usize,
    pub(super) thinking: usize,
}

/// Answers a turn.
pub(super) fn answer(turn: &Turn) -> Reply {
    let mut blocks = Vec::new();
    if turn.thinking {
        blocks.push(Block::Thinking(THOUGHT.to_owned()));
    }
    let calls = calls(turn);
    let finish = if calls.is_empty() {
        let (text, finish) = end_at(text(turn), &turn.stop);
        blocks.extend(Some(text).filter(|text| !text.is_empty()).map(Block::Text));
        finish
    } else {
        blocks.extend(calls);
        Finish::Calls
    };
    let (blocks, finish) = match turn.max_tokens {
        Some(most) => shorten(blocks, finish, most),
        None => (blocks, finish),
    };
    let usage = Usage {
        input: turn.input_tokens(),
        output: blocks.iter().map(Block::tokens).sum::<usize>().max(1),
        thinking: blocks.iter().filter(|block| block.is_thinking()).map(Block::tokens).sum(),
    };
    Reply { id: unique(), created: now(), blocks, finish, usage }
}

/// The demo's stand-in for a signature or for encrypted reasoning: base64, as the real ones.
pub(super) fn seal() -> String {
    STANDARD.encode("levity demo: nothing was thought, so nothing is signed")
}

/// The pieces in which a text is streamed: words with the space behind them.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace)
}

/// An id that no other has.
pub(super) fn unique() -> String {
    format!("{:016x}", rand::random::<u64>())
}

impl Block {
    fn tokens(&self) -> usize {
        match self {
            Self::Thinking(text) | Self::Text(text) => tokens(text.chars().count()),
            Self::Call { name, input, .. } => {
                tokens(name.chars().count() + input.to_text().chars().count())
            }
        }
    }

    const fn is_thinking(&self) -> bool {
        matches!(self, Self::Thinking(_))
    }

    /// The beginning of this block, of so many tokens; a call has none, for half a call is no call.
    fn beginning(self, tokens: usize) -> Option<Self> {
        let cut = |text: String| text.chars().take(tokens.saturating_mul(4)).collect::<String>();
        match self {
            Self::Thinking(text) => Some(Self::Thinking(cut(text))),
            Self::Text(text) => Some(Self::Text(cut(text))),
            Self::Call { .. } => None,
        }
    }
}

impl Arguments {
    /// As the OpenAI dialects carry it.
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Object(object) => object.to_string(),
            Self::Text(text) => text.clone(),
        }
    }

    /// As the other two carry it.
    pub(super) fn to_object(&self) -> Value {
        match self {
            Self::Object(object) => object.clone(),
            Self::Text(text) => json!({ "input": text }),
        }
    }
}

fn shorten(blocks: Vec<Block>, finish: Finish, most: usize) -> (Vec<Block>, Finish) {
    let mut left = most;
    let mut kept = Vec::new();
    for block in blocks {
        let need = block.tokens();
        if need > left {
            kept.extend(Some(left).filter(|left| *left > 0).and_then(|left| block.beginning(left)));
            return (kept, Finish::Length);
        }
        left -= need;
        kept.push(block);
    }
    (kept, finish)
}

fn end_at(text: String, stop: &[String]) -> (String, Finish) {
    let first = stop.iter().filter_map(|word| Some((text.find(word.as_str())?, word))).min();
    match first {
        Some((at, word)) => {
            let before = text.get(..at).unwrap_or_default();
            (before.to_owned(), Finish::Sequence(word.clone()))
        }
        None => (text, Finish::Stop),
    }
}

fn calls(turn: &Turn) -> Vec<Block> {
    // One round only: with a result in hand the demo answers, or agents would call for ever.
    if !turn.results.is_empty() {
        return Vec::new();
    }
    let named = named(turn);
    let invited = wish(turn).is_some_and(invites);
    let first = || turn.tools.first().into_iter().collect::<Vec<_>>();
    let mut chosen = match &turn.choice {
        Choice::Named(name) => turn.tools.iter().filter(|tool| tool.name == *name).collect(),
        Choice::Auto | Choice::Any if !named.is_empty() => named,
        Choice::Any => first(),
        Choice::Auto if invited => first(),
        Choice::Auto | Choice::Never => Vec::new(),
    };
    if turn.sequential {
        chosen.truncate(1);
    }
    chosen.into_iter().map(|tool| call(tool, turn)).collect()
}

/// The tools that the question names, in its order.
fn named(turn: &Turn) -> Vec<&Tool> {
    let Some(wish) = wish(turn) else { return Vec::new() };
    let tools = turn.tools.iter();
    let mut named: Vec<_> =
        tools.filter_map(|tool| Some((position(wish, &tool.name)?, tool))).collect();
    named.sort_by_key(|(at, _)| *at);
    named.into_iter().map(|(_, tool)| tool).collect()
}

/// Where the text says this name, as a word of its own.
fn position(text: &str, name: &str) -> Option<usize> {
    let part = |neighbour: char| neighbour.is_alphanumeric() || "_-".contains(neighbour);
    text.match_indices(name).map(|(at, _)| at).find(|at| {
        let before = text.get(..*at).and_then(|head| head.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(part) && !after.is_some_and(part)
    })
}

/// The question, if it can ask for a call.
fn wish(turn: &Turn) -> Option<&str> {
    Some(turn.question.as_str()).filter(|question| question.chars().count() <= LONGEST_WISH)
}

fn invites(wish: &str) -> bool {
    let wish = wish.to_lowercase();
    INVITATIONS.iter().any(|invitation| wish.contains(invitation))
}

fn call(tool: &Tool, turn: &Turn) -> Block {
    let input = match &tool.input {
        Input::Schema(schema) => {
            let made = instance(schema, &quote(turn, LONGEST_STRING));
            // Arguments are an object in every dialect, whatever an odd schema says.
            Arguments::Object(if made.is_object() { made } else { json!({}) })
        }
        Input::Text => Arguments::Text(quote(turn, LONGEST_STRING)),
    };
    Block::Call { id: unique(), name: tool.name.clone(), input }
}

fn text(turn: &Turn) -> String {
    let spoken = if !turn.results.is_empty() {
        format!("{HONESTY} The tool said: {}", quote(turn, LONGEST_QUOTE))
    } else if turn.question.is_empty() {
        format!("{HONESTY} You said nothing in words.")
    } else {
        format!("{HONESTY} You said: {}", quote(turn, LONGEST_QUOTE))
    };
    match &turn.format {
        Format::Text => spoken,
        Format::Json => json!({ "answer": spoken }).to_string(),
        Format::Schema(schema) => instance(schema, &quote(turn, LONGEST_STRING)).to_string(),
    }
}

/// What the answer is about: the results if there are any, else the question.
fn quote(turn: &Turn, longest: usize) -> String {
    let whole = match turn.results.as_slice() {
        [] => turn.question.clone(),
        results => results.join(" | "),
    };
    let rest = whole.chars().count().saturating_sub(longest);
    if rest == 0 {
        return whole;
    }
    let head: String = whole.chars().take(longest).collect();
    format!("{head}… ({rest} more characters)")
}

#[expect(clippy::disallowed_methods, reason = "the demo plays a provider, which has its own clock")]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
