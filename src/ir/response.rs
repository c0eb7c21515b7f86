//! What a model answers, whole.

use super::request::HostedItem;
use super::seal::Seal;
use super::usage::Usage;
use super::{Text, request::ToolCall};

/// One whole answer.
#[derive(Clone, Debug, Default)]
pub struct Response<'a> {
    /// The provider's id of the answer.
    pub id: Text<'a>,
    /// The model that answered, in the provider's words.
    pub model: Text<'a>,
    /// When, in seconds since 1970, where the provider says.
    pub created: Option<u64>,
    /// The answers, by index; one unless more were asked.
    pub candidates: Vec<Candidate<'a>>,
    /// What it cost; `None` where the provider does not say.
    pub usage: Option<Usage>,
}

/// One answer of those asked for.
#[derive(Clone, Debug, Default)]
pub struct Candidate<'a> {
    /// Its parts, in the order that the model made them.
    pub blocks: Vec<Block<'a>>,
    /// Why it ended; `None` where the provider does not say.
    pub finish: Option<Finish>,
}

/// One piece of an answer.
#[derive(Clone, Debug)]
pub enum Block<'a> {
    /// Text, with what it cites.
    Text {
        /// The text.
        text: Text<'a>,
        /// Its sources, in order.
        citations: Vec<Citation<'a>>,
        /// Log probabilities of its tokens, where asked for.
        logprobs: Vec<Logprob>,
    },
    /// A refusal in words.
    Refusal(Text<'a>),
    /// Thinking; `text` is empty where the provider hides it.
    Reasoning {
        /// What is readable.
        text: Text<'a>,
        /// What the provider needs back.
        seal: Option<Seal<'a>>,
    },
    /// A call of one of the client's tools.
    ToolCall(ToolCall<'a>),
    /// An image.
    Image {
        /// Its media type.
        mime: Text<'a>,
        /// Standard base64.
        data: Text<'a>,
    },
    /// Sound.
    Audio {
        /// Its media type.
        mime: Text<'a>,
        /// Standard base64.
        data: Text<'a>,
        /// What is said, in words.
        transcript: Option<Text<'a>>,
    },
    /// Something that the provider did on its side.
    Hosted(HostedItem<'a>),
}

/// Why an answer ended. No provider's word is kept, so that none leaks into another dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Finish {
    /// The model was done.
    Stop,
    /// A stop sequence was met.
    StopSequence,
    /// The token limit was reached, the answer's or the context's.
    Length,
    /// It calls tools and waits for them.
    ToolCalls,
    /// A filter or a refusal ended it.
    ContentFilter,
    /// The provider paused a long turn; the client may go on (Anthropic `pause_turn`).
    Pause,
    /// Any other reason.
    Other,
}

/// A source of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Citation<'a> {
    /// What is cited.
    pub source: CitationSource<'a>,
    /// Its title.
    pub title: Option<Text<'a>>,
    /// The words that are cited.
    pub quote: Option<Text<'a>>,
    /// Which characters of the block's text it supports, as character offsets `[start, end)`, where known.
    pub span: Option<(u64, u64)>,
}

/// What a citation points at.
#[derive(Clone, Debug, PartialEq)]
pub enum CitationSource<'a> {
    /// A page of the web.
    Url(Text<'a>),
    /// A document of the request or of the provider; other dialects have no form for it.
    Document(Text<'a>),
}

/// One token and how likely it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Logprob {
    /// The token.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
    /// The alternatives, likeliest first.
    pub top: Vec<(String, f64)>,
}
