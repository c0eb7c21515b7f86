//! From an answer as it comes to the whole one, and back.

use std::borrow::Cow;

use super::Text;
use super::error::{Error, ErrorKind};
use super::event::{Delta, Event, Opening};
use super::request::{HostedItem, ToolCall};
use super::response::{Block, Candidate, Citation, CitationSource, Finish, Response};

/// Collects the events of one stream into one answer.
#[derive(Debug, Default)]
pub struct Folder {
    response: Response<'static>,
    /// Which candidate the open block belongs to.
    candidate: usize,
    ended: bool,
    failed: Option<Error>,
}

impl Folder {
    /// A folder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event.
    pub fn push(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { id, model, created, usage } => {
                self.response.id = owned(id);
                self.response.model = owned(model);
                self.response.created = *created;
                self.response.usage = *usage;
            }
            Event::Open { candidate, block } => {
                self.candidate = *candidate as usize;
                let block = opened(block);
                self.candidate(*candidate).blocks.push(block);
            }
            Event::Delta(delta) => self.delta(delta),
            Event::Close => {}
            Event::Finish { candidate, reason } => {
                self.candidate(*candidate).finish = Some(*reason);
            }
            Event::End { usage } => {
                self.ended = true;
                self.response.usage = usage.or(self.response.usage);
            }
            Event::Fail(error) => self.failed = Some(error.clone()),
        }
    }

    /// The whole answer, or why there is none.
    pub fn finish(self) -> Result<Response<'static>, Error> {
        match self.failed {
            Some(error) => Err(error),
            None if self.ended => Ok(self.response),
            None => Err(Error::new(
                ErrorKind::Internal,
                "the provider's stream broke off before the answer was whole",
            )),
        }
    }

    fn candidate(&mut self, index: u32) -> &mut Candidate<'static> {
        let index = index as usize;
        let candidates = &mut self.response.candidates;
        if candidates.len() <= index {
            candidates.resize_with(index + 1, Candidate::default);
        }
        #[expect(clippy::indexing_slicing, reason = "resized to hold index")]
        &mut candidates[index]
    }

    fn delta(&mut self, delta: &Delta<'_>) {
        let candidate = self.response.candidates.get_mut(self.candidate);
        let Some(block) = candidate.and_then(|candidate| candidate.blocks.last_mut()) else {
            return;
        };
        match (delta, block) {
            (
                Delta::Text(more),
                Block::Text { text, .. } | Block::Refusal(text) | Block::Reasoning { text, .. },
            )
            | (Delta::Arguments(more), Block::ToolCall(ToolCall { arguments: text, .. })) => {
                text.to_mut().push_str(more);
            }
            (Delta::Citation(citation), Block::Text { citations, .. }) => {
                citations.push(cited(citation));
            }
            (Delta::Logprobs(more), Block::Text { logprobs, .. }) => {
                logprobs.extend_from_slice(more);
            }
            (
                Delta::Seal(more),
                Block::Reasoning { seal, .. } | Block::ToolCall(ToolCall { seal, .. }),
            ) => *seal = Some(more.clone().into_owned()),
            _ => {}
        }
    }
}

fn owned(text: &str) -> Text<'static> {
    Cow::Owned(text.to_owned())
}

fn opened(block: &Opening<'_>) -> Block<'static> {
    match block {
        Opening::Text => {
            Block::Text { text: Cow::Borrowed(""), citations: Vec::new(), logprobs: Vec::new() }
        }
        Opening::Refusal => Block::Refusal(Cow::Borrowed("")),
        Opening::Reasoning => Block::Reasoning { text: Cow::Borrowed(""), seal: None },
        Opening::ToolCall { id, name, namespace, kind, seal } => Block::ToolCall(ToolCall {
            id: owned(id),
            name: owned(name),
            namespace: namespace.as_deref().map(owned),
            arguments: Cow::Borrowed(""),
            kind: *kind,
            seal: seal.clone().map(super::seal::Seal::into_owned),
        }),
        Opening::Image { mime, data } => Block::Image { mime: owned(mime), data: owned(data) },
        Opening::Audio { mime, data, transcript } => Block::Audio {
            mime: owned(mime),
            data: owned(data),
            transcript: transcript.as_deref().map(owned),
        },
        Opening::Hosted(item) => Block::Hosted(HostedItem {
            tool: item.tool,
            name: owned(&item.name),
            raw: Cow::Owned(item.raw.clone().into_owned()),
        }),
    }
}

fn cited(citation: &Citation<'_>) -> Citation<'static> {
    Citation {
        source: match &citation.source {
            CitationSource::Url(url) => CitationSource::Url(owned(url)),
            CitationSource::Document(name) => CitationSource::Document(owned(name)),
        },
        title: citation.title.as_deref().map(owned),
        quote: citation.quote.as_deref().map(owned),
        span: citation.span,
    }
}

/// Tells a whole answer as a stream; calls `each` for every event. An answer that does not say why it ended ends with
/// `Finish::Other`, since every stream must say so.
pub fn unfold(response: &Response<'_>, each: &mut dyn FnMut(&Event<'_>)) {
    each(&Event::Start {
        id: borrowed(&response.id),
        model: borrowed(&response.model),
        created: response.created,
        usage: response.usage,
    });
    for (candidate, index) in response.candidates.iter().zip(0..) {
        for block in &candidate.blocks {
            each(&Event::Open { candidate: index, block: opening(block) });
            deltas(block, each);
            each(&Event::Close);
        }
        let reason = candidate.finish.unwrap_or(Finish::Other);
        each(&Event::Finish { candidate: index, reason });
    }
    if response.candidates.is_empty() {
        each(&Event::Finish { candidate: 0, reason: Finish::Other });
    }
    each(&Event::End { usage: response.usage });
}

fn borrowed(text: &str) -> Text<'_> {
    Cow::Borrowed(text)
}

fn opening<'a>(block: &'a Block<'_>) -> Opening<'a> {
    match block {
        Block::Text { .. } => Opening::Text,
        Block::Refusal(_) => Opening::Refusal,
        Block::Reasoning { .. } => Opening::Reasoning,
        Block::ToolCall(call) => Opening::ToolCall {
            id: borrowed(&call.id),
            name: borrowed(&call.name),
            namespace: call.namespace.as_deref().map(borrowed),
            kind: call.kind,
            seal: call.seal.clone(),
        },
        Block::Image { mime, data } => {
            Opening::Image { mime: borrowed(mime), data: borrowed(data) }
        }
        Block::Audio { mime, data, transcript } => Opening::Audio {
            mime: borrowed(mime),
            data: borrowed(data),
            transcript: transcript.as_deref().map(borrowed),
        },
        Block::Hosted(item) => Opening::Hosted(HostedItem {
            tool: item.tool,
            name: borrowed(&item.name),
            raw: Cow::Borrowed(&item.raw),
        }),
    }
}

fn deltas(block: &Block<'_>, each: &mut dyn FnMut(&Event<'_>)) {
    match block {
        Block::Text { text, citations, logprobs } => {
            say(text, each);
            if !logprobs.is_empty() {
                each(&Event::Delta(Delta::Logprobs(logprobs.clone())));
            }
            for citation in citations {
                each(&Event::Delta(Delta::Citation(citation.clone())));
            }
        }
        Block::Refusal(text) => say(text, each),
        Block::Reasoning { text, seal } => {
            say(text, each);
            if let Some(seal) = seal {
                each(&Event::Delta(Delta::Seal(seal.clone())));
            }
        }
        Block::ToolCall(call) if call.arguments.is_empty() => {}
        Block::ToolCall(call) => each(&Event::Delta(Delta::Arguments(borrowed(&call.arguments)))),
        Block::Image { .. } | Block::Audio { .. } | Block::Hosted(_) => {}
    }
}

fn say(text: &str, each: &mut dyn FnMut(&Event<'_>)) {
    if !text.is_empty() {
        each(&Event::Delta(Delta::Text(borrowed(text))));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::*;
    use crate::ir::grammar::Checker;
    use crate::ir::request::{CallKind, HostedKind};
    use crate::ir::response::Logprob;
    use crate::ir::seal::{Seal, SealKind};
    use crate::ir::usage::Usage;

    fn seal(kind: SealKind) -> Seal<'static> {
        Seal { issuer: "a".into(), kind, id: "".into(), data: "abc=".into() }
    }

    fn call(
        arguments: &'static str,
        kind: CallKind,
        seal: Option<Seal<'static>>,
    ) -> Block<'static> {
        Block::ToolCall(ToolCall {
            id: "call_1".into(),
            name: "run".into(),
            namespace: Some("shell".into()),
            arguments: arguments.into(),
            kind,
            seal,
        })
    }

    fn every_block() -> Vec<Block<'static>> {
        let citation = Citation {
            source: CitationSource::Url("https://example.com".into()),
            title: Some("Example".into()),
            quote: None,
            span: Some((0, 2)),
        };
        let logprob = Logprob { token: "hi".into(), logprob: -0.5, top: vec![("ho".into(), -1.5)] };
        vec![
            Block::Reasoning { text: "hm".into(), seal: Some(seal(SealKind::Reasoning)) },
            Block::Reasoning { text: "".into(), seal: Some(seal(SealKind::Redacted)) },
            Block::Text { text: "hi".into(), citations: vec![citation], logprobs: vec![logprob] },
            Block::Refusal("no".into()),
            call("{\"a\":1}", CallKind::Function, Some(seal(SealKind::Call))),
            call("", CallKind::Custom, None),
            Block::Image { mime: "image/png".into(), data: "aaaa".into() },
            Block::Audio {
                mime: "audio/wav".into(),
                data: "".into(),
                transcript: Some("a".into()),
            },
            Block::Hosted(HostedItem {
                tool: HostedKind::WebSearch,
                name: "web_search_call".into(),
                raw: Cow::Owned(RawValue::from_string("{\"a\":1}".into()).unwrap()),
            }),
        ]
    }

    #[test]
    fn fold_of_unfold_is_the_same() {
        let response = Response {
            id: "r".into(),
            model: "m".into(),
            created: Some(7),
            candidates: vec![
                Candidate { blocks: every_block(), finish: Some(Finish::ToolCalls) },
                Candidate { blocks: vec![], finish: Some(Finish::Length) },
            ],
            usage: Some(Usage { input: 1, output: 2, ..Usage::default() }),
        };
        let mut folder = Folder::new();
        let mut checker = Checker::new();
        unfold(&response, &mut |event| {
            checker.push(event).unwrap();
            folder.push(event);
        });
        checker.finish().unwrap();
        assert_eq!(format!("{:?}", folder.finish().unwrap()), format!("{response:?}"));
    }

    #[test]
    fn a_broken_stream_is_no_answer() {
        let mut folder = Folder::new();
        folder.push(&Event::Start { id: "".into(), model: "".into(), created: None, usage: None });
        assert_eq!(folder.finish().unwrap_err().kind, ErrorKind::Internal);

        let mut folder = Folder::new();
        folder.push(&Event::Fail(Error::new(ErrorKind::Overloaded, "busy")));
        assert_eq!(folder.finish().unwrap_err().message, "busy");
    }
}
