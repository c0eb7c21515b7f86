//! One item of a stream: what has been said of it, so that nothing is lost and nothing is said twice.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::dialects::openai_responses::response::read;
use crate::dialects::openai_responses::wire;
use crate::ir::Text;
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::request::CallKind;
use crate::ir::seal::Seal;
use wire::event::Event as Wire;
use wire::item::{Content, Item};

/// Where steps of the answer go.
pub(super) type Each<'e> = dyn FnMut(&Event<'_>) + 'e;

/// One item, from its first event to its last.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) index: Option<u64>,
    pub(super) id: String,
    /// The item's type.
    pub(super) kind: String,
    pub(super) state: State,
    /// Its last event came.
    pub(super) done: bool,
    /// Its turn ended before its last event came.
    pub(super) left: bool,
    /// Events that came before its turn: their types and data.
    pub(super) queue: Vec<(String, String)>,
}

/// What has been said of an item, by its type.
#[derive(Debug)]
pub(super) enum State {
    Message(Message),
    Thoughts(Thoughts),
    Call(Call),
    /// Nothing is said of it before it is whole.
    Whole,
}

#[derive(Debug, Default)]
pub(super) struct Message {
    /// It holds a refusal.
    pub(super) refuses: bool,
    parts: Vec<Piece>,
    open: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Piece {
    sent: Sent,
    citations: usize,
    logprobs: bool,
}

#[derive(Debug, Default)]
pub(super) struct Thoughts {
    source: Option<Source>,
    open: bool,
    sealed: bool,
    sent: Vec<Sent>,
}

/// Which of an item's readable forms is shown: the first that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Summary,
    Content,
}

#[derive(Debug)]
pub(super) struct Call {
    kind: CallKind,
    open: bool,
    sent: Sent,
    /// Arguments that came before the name.
    held: String,
}

impl Slot {
    pub(super) fn new(kind: &str, index: Option<u64>, id: &str) -> Self {
        let call = |kind| {
            State::Call(Call { kind, open: false, sent: Sent::default(), held: String::new() })
        };
        Self {
            index,
            id: id.to_owned(),
            kind: kind.to_owned(),
            state: match kind {
                "message" => State::Message(Message::default()),
                "reasoning" => State::Thoughts(Thoughts::default()),
                "function_call" => call(CallKind::Function),
                "custom_tool_call" => call(CallKind::Custom),
                _ => State::Whole,
            },
            done: false,
            left: false,
            queue: Vec::new(),
        }
    }

    /// Whether another item may go on before this one is done: thinking has no end that others wait for, and of what
    /// the provider does on its side nothing is said until it is whole.
    pub(super) fn may_wait(&self) -> bool {
        matches!(self.state, State::Thoughts(_) | State::Whole)
    }

    /// One event of the item.
    pub(super) fn apply(&mut self, kind: &str, wire: &Wire<'_>, each: &mut Each<'_>) {
        match &mut self.state {
            State::Message(message) => message.apply(kind, wire, each),
            State::Thoughts(thoughts) => thoughts.apply(kind, wire, each),
            State::Call(call) => call.apply(kind, wire, each),
            State::Whole => {}
        }
    }

    /// Closes the open block, if any.
    pub(super) fn close(&mut self, each: &mut Each<'_>) {
        let open = match &mut self.state {
            State::Message(message) => message.open.take().is_some(),
            State::Thoughts(thoughts) => std::mem::take(&mut thoughts.open),
            State::Call(call) => std::mem::take(&mut call.open),
            State::Whole => false,
        };
        if open {
            each(&Event::Close);
        }
    }
}

impl Message {
    fn apply(&mut self, kind: &str, wire: &Wire<'_>, each: &mut Each<'_>) {
        let part = index(wire.content_index);
        match kind {
            "response.output_text.delta" => {
                self.say(part, false, wire.delta.as_str(), each);
                self.logprobs(part, wire.logprobs, each);
            }
            "response.output_text.done" => self.complete(part, false, wire.text.as_str(), each),
            "response.output_text.annotation.added" => self.cite(part, wire.annotation, each),
            "response.refusal.delta" => self.say(part, true, wire.delta.as_str(), each),
            "response.refusal.done" => self.complete(part, true, wire.refusal.as_str(), each),
            _ => {}
        }
    }

    /// More of a part.
    fn say(&mut self, index: usize, refusal: bool, text: &str, each: &mut Each<'_>) {
        if text.is_empty() {
            return;
        }
        self.piece(index, refusal, each).sent.add(text);
        each(&Event::Delta(Delta::Text(Cow::Borrowed(text))));
    }

    /// What of a whole part has not been said yet.
    fn complete(&mut self, index: usize, refusal: bool, whole: &str, each: &mut Each<'_>) {
        let rest = self.parts.get(index).map_or(whole, |piece| piece.sent.rest_of(whole));
        self.say(index, refusal, rest, each);
    }

    fn cite(&mut self, index: usize, raw: Option<&RawValue>, each: &mut Each<'_>) {
        let annotation = raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let Some(citation) = annotation.and_then(read::citation) else { return };
        self.piece(index, false, each).citations += 1;
        each(&Event::Delta(Delta::Citation(citation)));
    }

    fn logprobs(&mut self, index: usize, raw: Option<&RawValue>, each: &mut Each<'_>) {
        let logprobs = read::logprobs(raw);
        if !logprobs.is_empty() {
            self.piece(index, false, each).logprobs = true;
            each(&Event::Delta(Delta::Logprobs(logprobs)));
        }
    }

    /// Says what of the whole message has not been said yet.
    pub(super) fn finish(&mut self, content: Content<'_>, each: &mut Each<'_>) {
        let parts = match content {
            Content::Text(text) => return self.complete(0, false, &text, each),
            Content::Parts(parts) => parts,
            Content::None | Content::Other => return,
        };
        for (index, part) in parts.into_iter().enumerate() {
            if part.kind.as_str() == "refusal" {
                self.complete(index, true, part.refusal.as_str(), each);
                continue;
            }
            self.complete(index, false, part.text.as_str(), each);
            let said = self.parts.get(index).cloned().unwrap_or_default();
            for citation in read::citations(part.annotations).into_iter().skip(said.citations) {
                self.piece(index, false, each).citations += 1;
                each(&Event::Delta(Delta::Citation(citation)));
            }
            if !said.logprobs {
                self.logprobs(index, part.logprobs, each);
            }
        }
    }

    /// The part, with its block open.
    fn piece(&mut self, index: usize, refusal: bool, each: &mut Each<'_>) -> &mut Piece {
        if self.open != Some(index) {
            if self.open.replace(index).is_some() {
                each(&Event::Close);
            }
            let block = if refusal { Opening::Refusal } else { Opening::Text };
            self.refuses |= refusal;
            each(&Event::Open { candidate: 0, block });
        }
        grown(&mut self.parts, index)
    }
}

impl Thoughts {
    fn apply(&mut self, kind: &str, wire: &Wire<'_>, each: &mut Each<'_>) {
        let (summary, content) = (index(wire.summary_index), index(wire.content_index));
        match kind {
            "response.reasoning_summary_text.delta" => {
                self.think(Source::Summary, summary, wire.delta.as_str(), each);
            }
            "response.reasoning_summary_text.done" => {
                self.complete(Source::Summary, summary, wire.text.as_str(), each);
            }
            "response.reasoning_text.delta" | "response.reasoning.delta" => {
                self.think(Source::Content, content, wire.delta.as_str(), each);
            }
            "response.reasoning_text.done" | "response.reasoning.done" => {
                self.complete(Source::Content, content, wire.text.as_str(), each);
            }
            _ => {}
        }
    }

    /// More thoughts. Parts are joined by a blank line.
    fn think(&mut self, source: Source, part: usize, text: &str, each: &mut Each<'_>) {
        if text.is_empty() || *self.source.get_or_insert(source) != source {
            return;
        }
        self.open(each);
        let before = self.sent.iter().any(|sent| sent.length > 0);
        let sent = grown(&mut self.sent, part);
        if sent.length == 0 && before {
            each(&Event::Delta(Delta::Text(Cow::Borrowed("\n\n"))));
        }
        sent.add(text);
        each(&Event::Delta(Delta::Text(Cow::Borrowed(text))));
    }

    /// What of a whole part has not been said yet.
    fn complete(&mut self, source: Source, part: usize, whole: &str, each: &mut Each<'_>) {
        let rest = self.sent.get(part).map_or(whole, |sent| sent.rest_of(whole));
        self.think(source, part, rest, each);
    }

    /// Says what of the whole item has not been said yet.
    pub(super) fn finish(&mut self, item: Item<'_>, seal: Option<Seal<'_>>, each: &mut Each<'_>) {
        for (index, text) in read::texts(item.summary).iter().enumerate() {
            self.complete(Source::Summary, index, text, each);
        }
        for (index, text) in read::texts(item.content).iter().enumerate() {
            self.complete(Source::Content, index, text, each);
        }
        if let Some(seal) = seal.filter(|_| !self.sealed) {
            self.open(each);
            self.sealed = true;
            each(&Event::Delta(Delta::Seal(seal)));
        }
    }

    fn open(&mut self, each: &mut Each<'_>) {
        if !std::mem::replace(&mut self.open, true) {
            each(&Event::Open { candidate: 0, block: Opening::Reasoning });
        }
    }
}

impl Call {
    fn apply(&mut self, kind: &str, wire: &Wire<'_>, each: &mut Each<'_>) {
        match kind {
            "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta" => {
                self.add(wire.delta.as_str(), each);
            }
            "response.function_call_arguments.done" => {
                self.complete(wire.arguments.as_str(), each);
            }
            "response.custom_tool_call_input.done" => self.complete(wire.input.as_str(), each),
            _ => {}
        }
    }

    /// The call begins, where its name is known; `id` is made only then.
    pub(super) fn begin<'a>(
        &mut self,
        item: &Item<'a>,
        id: impl FnOnce(Option<Text<'a>>) -> Text<'a>,
        each: &mut Each<'_>,
    ) {
        if self.open || item.name.as_str().is_empty() {
            return;
        }
        self.open = true;
        let namespace = item.namespace.0.clone().filter(|namespace| !namespace.is_empty());
        let block = Opening::ToolCall {
            id: id(item.call_id.0.clone().or_else(|| item.id.0.clone())),
            name: item.name.0.clone().unwrap_or_default(),
            namespace,
            kind: self.kind,
            seal: None,
        };
        each(&Event::Open { candidate: 0, block });
        let held = std::mem::take(&mut self.held);
        self.add(&held, each);
    }

    /// More arguments.
    fn add(&mut self, arguments: &str, each: &mut Each<'_>) {
        if arguments.is_empty() {
            return;
        }
        if self.open {
            self.sent.add(arguments);
            each(&Event::Delta(Delta::Arguments(Cow::Borrowed(arguments))));
        } else {
            self.held.push_str(arguments);
        }
    }

    /// What of the whole arguments has not been said yet.
    pub(super) fn complete(&mut self, whole: &str, each: &mut Each<'_>) {
        let rest = if self.open {
            self.sent.rest_of(whole)
        } else {
            whole.strip_prefix(self.held.as_str()).unwrap_or_default()
        };
        self.add(rest, each);
    }

    /// The whole arguments of an item.
    pub(super) fn arguments<'a>(&self, item: &Item<'a>) -> Text<'a> {
        match self.kind {
            CallKind::Function => read::arguments(item.arguments),
            CallKind::Custom => item.input.0.clone().unwrap_or_default(),
        }
    }
}

/// An index that an event names; 0 where it names none.
fn index(index: Option<u64>) -> usize {
    index.and_then(|index| usize::try_from(index).ok()).unwrap_or_default()
}

/// How much of a text was said, and a checksum (FNV-1a) of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    length: usize,
    sum: u64,
}

impl Default for Sent {
    fn default() -> Self {
        Self { length: 0, sum: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Sent {
    fn add(&mut self, text: &str) {
        self.length += text.len();
        for byte in text.bytes() {
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// What of the whole text was not said. Nothing where the whole does not begin with what was said: a provider that
    /// contradicts itself is believed the first time.
    fn rest_of<'w>(&self, whole: &'w str) -> &'w str {
        let Some((said, rest)) = whole.split_at_checked(self.length) else { return "" };
        let mut again = Self::default();
        if !rest.is_empty() {
            again.add(said);
        }
        if again == *self { rest } else { "" }
    }
}

/// The element at an index that may lie beyond the end.
fn grown<T: Clone + Default>(list: &mut Vec<T>, index: usize) -> &mut T {
    // An index out of all proportion is a provider's mistake, not a reason to use up the memory.
    let index = index.min(4095);
    if list.len() <= index {
        list.resize(index + 1, T::default());
    }
    #[expect(clippy::indexing_slicing, reason = "the list has just been made long enough")]
    &mut list[index]
}
