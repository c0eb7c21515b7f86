//! What a model answers, as it comes.
//!
//! The grammar of a stream: `Start (Open Delta* Close | Finish)* (End | Fail)`. One block is open at a time; a candidate's
//! `Finish` comes after its last block, and every candidate has one before `End`.

use super::Text;
use super::error::Error;
use super::request::{CallKind, HostedItem};
use super::response::{Citation, Finish, Logprob};
use super::seal::Seal;
use super::usage::Usage;

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The answer begins.
    Start {
        /// The provider's id of the answer.
        id: Text<'a>,
        /// The model that answers, in the provider's words.
        model: Text<'a>,
        /// When, in seconds since 1970, where the provider says.
        created: Option<u64>,
        /// What is known of the cost already (Anthropic tells the input at once).
        usage: Option<Usage>,
    },
    /// A block begins.
    Open {
        /// Which of the answers it belongs to; 0 unless several were asked.
        candidate: u32,
        /// What it is.
        block: Opening<'a>,
    },
    /// More of the open block.
    Delta(Delta<'a>),
    /// The open block is whole.
    Close,
    /// One of the answers is whole.
    Finish {
        /// Which.
        candidate: u32,
        /// Why it ended.
        reason: Finish,
    },
    /// The stream ended as it should.
    End {
        /// What it cost; `None` where the provider does not say.
        usage: Option<Usage>,
    },
    /// The stream broke off, or the provider said that it failed.
    Fail(Error),
}

/// What kind of block begins, with what is known of it at once.
#[derive(Clone, Debug)]
pub enum Opening<'a> {
    /// Text: `Delta::Text`, `Delta::Citation`, `Delta::Logprobs` follow.
    Text,
    /// A refusal in words: `Delta::Text` follows.
    Refusal,
    /// Thinking: `Delta::Text` and at most one `Delta::Seal` follow.
    Reasoning,
    /// A call: `Delta::Arguments` follow, joined they are its arguments; at most one `Delta::Seal`.
    ToolCall {
        /// The call's id; never empty.
        id: Text<'a>,
        /// The tool's name; never empty.
        name: Text<'a>,
        /// OpenAI's namespace of the tool.
        namespace: Option<Text<'a>>,
        /// What kind of tool.
        kind: CallKind,
        /// What the provider needs back with it, where known already.
        seal: Option<Seal<'a>>,
    },
    /// A whole image; no deltas.
    Image {
        /// Its media type.
        mime: Text<'a>,
        /// Standard base64.
        data: Text<'a>,
    },
    /// A whole piece of sound; no deltas.
    Audio {
        /// Its media type.
        mime: Text<'a>,
        /// Standard base64.
        data: Text<'a>,
        /// What is said, in words.
        transcript: Option<Text<'a>>,
    },
    /// Something whole that the provider did on its side; no deltas.
    Hosted(HostedItem<'a>),
}

/// More of the open block.
#[derive(Clone, Debug)]
pub enum Delta<'a> {
    /// More text of a `Text`, `Refusal` or `Reasoning` block.
    Text(Text<'a>),
    /// More of a call's arguments.
    Arguments(Text<'a>),
    /// A source of the text so far.
    Citation(Citation<'a>),
    /// Log probabilities of the text just sent.
    Logprobs(Vec<Logprob>),
    /// The provider's proof of a `Reasoning` or `ToolCall` block.
    Seal(Seal<'a>),
}
