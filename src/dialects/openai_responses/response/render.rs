//! How is an answer said to a client that speaks this dialect?

use std::borrow::Cow;

use super::super::{error, is_own_item, json, wire};
use super::write::{CallItem, Items, annotation, logprob};
use crate::dialects::Asked;
use crate::ir::error::Error;
use crate::ir::losses::Losses;
use crate::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Logprob, Response};
use crate::ir::seal::Seal;
use crate::ir::usage::Usage;
use wire::output::{Annotation, Content};

/// The settings that a response repeats, where the request's own are not known.
const USUAL_SETTINGS: &str = r#""background":false,"instructions":null,"max_output_tokens":null,"max_tool_calls":null,"parallel_tool_calls":true,"previous_response_id":null,"prompt_cache_key":null,"reasoning":{"effort":null,"summary":null},"safety_identifier":null,"service_tier":"default","store":true,"temperature":1.0,"text":{"format":{"type":"text"},"verbosity":"medium"},"tool_choice":"auto","tools":[],"top_logprobs":0,"top_p":1.0,"truncation":"disabled","user":null,"metadata":{}"#;

/// Writes an answer for a client.
pub fn render(response: &Response<'_>, asked: &Asked, out: &mut Vec<u8>) -> Losses {
    let mut losses = Losses::default();
    let mut frame = Frame::new(asked);
    frame.take(&response.id, response.created);
    let mut whole = Whole { items: Items::new(&asked.id), said: Vec::new(), refused: false };
    let nothing = Candidate::default();
    let mut candidates = response.candidates.iter();
    let candidate = candidates.next().unwrap_or(&nothing);
    if candidates.next().is_some() {
        losses.drop("n");
    }
    let finish = candidate.finish.unwrap_or(Finish::Other);
    for (index, block) in candidate.blocks.iter().enumerate() {
        let last = index + 1 == candidate.blocks.len();
        let status = if last { status_of(finish, whole.refused) } else { "completed" };
        whole.block(block, status, &mut losses);
    }
    whole.end_message(status_of(finish, whole.refused));
    let end = End { finish, refused: whole.refused, usage: response.usage };
    frame.write(&State::Ended(&end), &whole.items.json, out);
    losses
}

/// Writes for a client how many tokens were counted.
pub fn render_count(input_tokens: u64, out: &mut Vec<u8>) {
    json(&wire::output::Count { object: "response.input_tokens", input_tokens }, out);
}

/// The status of an answer's last item. OpenAI's refusals are complete answers.
pub(in super::super) const fn status_of(finish: Finish, refused: bool) -> &'static str {
    match finish {
        Finish::Length => "incomplete",
        Finish::ContentFilter if !refused => "incomplete",
        Finish::ContentFilter
        | Finish::Stop
        | Finish::StopSequence
        | Finish::ToolCalls
        | Finish::Pause
        | Finish::Other => "completed",
    }
}

/// The items of a whole answer.
struct Whole<'r> {
    items: Items,
    /// The parts of the message that is being written: texts that follow each other are one message.
    said: Vec<Content<'r>>,
    refused: bool,
}

impl<'r> Whole<'r> {
    fn block(&mut self, block: &'r Block<'r>, status: &'static str, losses: &mut Losses) {
        match block {
            Block::Text { text, citations, logprobs } => {
                self.said.push(text_content(text, citations, logprobs, losses));
                return;
            }
            Block::Refusal(refusal) => {
                self.refused = true;
                self.said.push(Content::Refusal { refusal: Cow::Borrowed(refusal) });
                return;
            }
            Block::Audio { transcript: Some(text), .. } if !text.is_empty() => {
                losses.drop("audio");
                self.said.push(text_content(text, &[], &[], losses));
                return;
            }
            Block::Reasoning { .. }
            | Block::ToolCall(_)
            | Block::Image { .. }
            | Block::Audio { .. }
            | Block::Hosted(_) => self.end_message("completed"),
        }
        match block {
            Block::Reasoning { text, seal } => self.reasoning(text, seal.as_ref()),
            Block::ToolCall(call) => {
                let id = self.items.call_id(&call.id);
                if let Some(seal) = &call.seal {
                    self.items.push_call_seal(seal, &id);
                }
                self.items.push_call(&CallItem { call_id: &id, status, ..CallItem::of(call) });
            }
            Block::Image { mime, data } => {
                let id = self.items.id("ig");
                self.items.push_image(&id, mime, data);
            }
            Block::Audio { .. } => losses.drop("audio"),
            Block::Hosted(item) => {
                if is_own_item(item) {
                    self.items.push(&wire::output::Item::Raw(&item.raw));
                } else {
                    losses.drop(item.tool.name());
                }
            }
            Block::Text { .. } | Block::Refusal(_) => {}
        }
    }

    fn reasoning(&mut self, text: &str, seal: Option<&Seal<'_>>) {
        if text.is_empty() && seal.is_none() {
            return;
        }
        let id = self.items.id("rs");
        let sealed = seal.map(|seal| crate::ir::seal::to_text(std::slice::from_ref(seal)));
        self.items.push_reasoning(&id, text, sealed.as_deref());
    }

    fn end_message(&mut self, status: &'static str) {
        if !self.said.is_empty() {
            let id = self.items.id("msg");
            self.items.push_message(&id, status, &self.said);
            self.said.clear();
        }
    }
}

fn text_content<'r>(
    text: &'r str,
    citations: &'r [Citation<'r>],
    logprobs: &[Logprob],
    losses: &mut Losses,
) -> Content<'r> {
    let whole = || (0, text.chars().count() as u64);
    let annotations: Vec<Annotation<'r>> = citations
        .iter()
        .filter_map(|citation| match &citation.source {
            CitationSource::Url(url) => {
                let span = citation.span.unwrap_or_else(whole);
                let title = citation.title.as_deref().unwrap_or_default();
                Some(annotation(Cow::Borrowed(url), Cow::Borrowed(title), span))
            }
            CitationSource::Document(_) => {
                losses.drop("citations");
                None
            }
        })
        .collect();
    Content::OutputText {
        annotations,
        logprobs: logprobs.iter().map(logprob).collect(),
        text: Cow::Borrowed(text),
    }
}

/// A response object without its items: what is the same in all the states that a client sees of it.
#[derive(Clone, Debug)]
pub(in super::super) struct Frame<'f> {
    asked: &'f Asked,
    id: String,
    created: u64,
}

/// How far a response is.
#[derive(Debug)]
pub(in super::super) enum State<'s> {
    InProgress,
    Ended(&'s End),
    Failed(&'s Error),
}

/// How a response ended.
#[derive(Debug)]
pub(in super::super) struct End {
    pub(in super::super) finish: Finish,
    pub(in super::super) refused: bool,
    pub(in super::super) usage: Option<Usage>,
}

impl End {
    /// Why it is incomplete, if it is.
    fn incomplete(&self) -> Option<&'static str> {
        match self.finish {
            Finish::Length => Some("max_output_tokens"),
            Finish::ContentFilter if !self.refused => Some("content_filter"),
            Finish::ContentFilter
            | Finish::Stop
            | Finish::StopSequence
            | Finish::ToolCalls
            | Finish::Pause
            | Finish::Other => None,
        }
    }
}

impl State<'_> {
    /// The word for it.
    pub(in super::super) fn status(&self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Ended(end) if end.incomplete().is_some() => "incomplete",
            Self::Ended(_) => "completed",
            Self::Failed(_) => "failed",
        }
    }
}

impl<'f> Frame<'f> {
    pub(in super::super) fn new(asked: &'f Asked) -> Self {
        Self { asked, id: ["resp_", &asked.id].concat(), created: asked.created }
    }

    /// Takes over the provider's id, where it has this dialect's form, and its time.
    pub(in super::super) fn take(&mut self, id: &str, created: Option<u64>) {
        if id.starts_with("resp_") {
            id.clone_into(&mut self.id);
        }
        self.created = created.unwrap_or(self.created);
    }

    /// Writes the object. `items` are its output items, separated by commas.
    pub(in super::super) fn write(&self, state: &State<'_>, items: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        json(&self.id, out);
        out.extend_from_slice(b",\"object\":\"response\",\"created_at\":");
        json(&self.created, out);
        out.extend_from_slice(b",\"status\":");
        json(&state.status(), out);
        let (mut error, mut incomplete, mut usage) = (None, None, None);
        match state {
            State::InProgress => {}
            State::Ended(end) => {
                incomplete = end.incomplete();
                // SDKs and agents read it without asking whether it is there: what nobody counted is zeros.
                usage = Some(end.usage.unwrap_or_default());
            }
            State::Failed(failure) => error = Some(*failure),
        }
        out.extend_from_slice(b",\"error\":");
        json(&error.map(Failure::new), out);
        out.extend_from_slice(b",\"incomplete_details\":");
        json(&incomplete.map(|reason| Incomplete { reason }), out);
        out.extend_from_slice(b",\"model\":");
        json(&self.asked.model, out);
        out.extend_from_slice(b",\"output\":[");
        out.extend_from_slice(items);
        out.extend_from_slice(b"],");
        let settings = self.asked.reply.echo.as_deref().filter(|echo| !echo.is_empty());
        out.extend_from_slice(settings.unwrap_or(USUAL_SETTINGS).as_bytes());
        out.extend_from_slice(b",\"usage\":");
        json(&usage.map(usage_out), out);
        out.push(b'}');
    }
}

#[derive(serde::Serialize)]
struct Failure<'e> {
    code: &'e str,
    message: &'e str,
}

impl<'e> Failure<'e> {
    fn new(error: &'e Error) -> Self {
        Self { code: error::failure_code(error), message: &error.message }
    }
}

#[derive(serde::Serialize)]
struct Incomplete {
    reason: &'static str,
}

fn usage_out(usage: Usage) -> wire::output::Usage {
    wire::output::Usage {
        input_tokens: usage.input,
        input_tokens_details: wire::output::InputDetails {
            cached_tokens: usage.cache_read,
            cache_write_tokens: usage.cache_write,
        },
        output_tokens: usage.output,
        output_tokens_details: wire::output::OutputDetails { reasoning_tokens: usage.reasoning },
        total_tokens: usage.total(),
    }
}
