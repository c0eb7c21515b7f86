//! The neutral form → a whole answer for a client. Its streams are written with the same pieces.

use std::borrow::Cow;

use crate::dialects::Asked;
use crate::dialects::openai_chat::wire::json::{List, Object};
use crate::dialects::tools::wrap_input;
use crate::ir::Text;
use crate::ir::losses::Losses;
use crate::ir::request::{CallKind, ToolCall};
use crate::ir::response::{Block, Candidate, Citation, CitationSource, Finish, Logprob, Response};
use crate::ir::seal::{self, Seal};
use crate::ir::usage::Usage;

use super::{CUSTOM, FUNCTION_CALL};

/// Writes an answer.
pub(super) fn answer(response: &Response<'_>, asked: &Asked, out: &mut Vec<u8>) -> Losses {
    let mut losses = Losses::default();
    let mut body = Object::begin(out);
    body.put("id", &id_of(&response.id, asked));
    body.put("object", "chat.completion");
    body.put("created", &response.created.unwrap_or(asked.created));
    body.put("model", &asked.model);
    let mut choices = body.list("choices");
    for (index, candidate) in response.candidates.iter().enumerate() {
        choice(index, candidate, CallForm::of(asked), choices.object(), &mut losses);
    }
    choices.end();
    put_usage(response.usage, &mut body);
    body.end();
    losses
}

/// How a client wants its calls written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dialects::openai_chat) enum CallForm {
    /// `tool_calls`, functions alone.
    Functions,
    /// `tool_calls`, custom ones among them.
    Custom,
    /// The deprecated `function_call`.
    Legacy,
}

impl CallForm {
    pub(in crate::dialects::openai_chat) fn of(asked: &Asked) -> Self {
        match asked.reply.echo.as_deref() {
            Some(FUNCTION_CALL) => Self::Legacy,
            Some(CUSTOM) => Self::Custom,
            Some(_) | None => Self::Functions,
        }
    }

    /// Whether a call goes as a function with its free text in one string.
    pub(in crate::dialects::openai_chat) fn wraps(self, kind: CallKind) -> bool {
        kind == CallKind::Custom && self != Self::Custom
    }
}

/// The provider's id where it has the dialect's form, else one of this exchange.
pub(in crate::dialects::openai_chat) fn id_of(id: &str, asked: &Asked) -> String {
    if id.starts_with("chatcmpl-") { id.to_owned() } else { format!("chatcmpl-{}", asked.id) }
}

/// A candidate's blocks, gathered into the fields of one message.
#[derive(Default)]
struct Gathered<'r, 'a> {
    text: Option<Text<'r>>,
    thinking: Option<Text<'r>>,
    refusal: Option<Text<'r>>,
    cited: Vec<(&'r Citation<'a>, (u64, u64))>,
    logprobs: Vec<&'r Logprob>,
    calls: Vec<(&'r ToolCall<'a>, Vec<Seal<'r>>)>,
}

fn gather<'r, 'a>(candidate: &'r Candidate<'a>, losses: &mut Losses) -> Gathered<'r, 'a> {
    let mut all = Gathered::default();
    let (mut text_joint, mut thinking_joint) = (Joint::default(), Joint::default());
    let mut seals = Vec::new();
    let mut after_text = false;
    for block in &candidate.blocks {
        if !std::mem::replace(&mut after_text, matches!(block, Block::Text { .. })) {
            text_joint.part();
        }
        match block {
            Block::Text { text, citations, logprobs } => {
                text_joint.begin();
                join(&mut all.text, text, &mut text_joint);
                let spans = citations.iter().map(|it| (it, text_joint.span(it.span)));
                all.cited.extend(spans);
                all.logprobs.extend(logprobs);
            }
            Block::Refusal(text) => {
                join(&mut all.refusal, text, &mut Joint::default());
            }
            Block::Reasoning { text, seal } => {
                thinking_joint.part();
                join(&mut all.thinking, text, &mut thinking_joint);
                seals.extend(seal.iter().cloned());
            }
            Block::ToolCall(call) => {
                seals.extend(call.seal.iter().cloned());
                all.calls.push((call, std::mem::take(&mut seals)));
            }
            Block::Image { .. } => losses.drop("images"),
            Block::Audio { .. } => losses.drop("audio"),
            Block::Hosted(item) => losses.drop(item.tool.name()),
        }
    }
    all
}

fn join<'r>(whole: &mut Option<Text<'r>>, text: &'r str, joint: &mut Joint) {
    if text.is_empty() {
        return;
    }
    let between = joint.before(text);
    match whole {
        None => *whole = Some(Cow::Borrowed(text)),
        Some(whole) => {
            let whole = whole.to_mut();
            whole.push_str(between);
            whole.push_str(text);
        }
    }
    joint.wrote(text);
}

fn choice(
    index: usize,
    candidate: &Candidate<'_>,
    form: CallForm,
    mut choice: Object<'_>,
    losses: &mut Losses,
) {
    let all = gather(candidate, losses);
    let legacy = form == CallForm::Legacy;
    let told = Told { calls: !all.calls.is_empty(), refused: all.refusal.is_some(), legacy };
    choice.put("index", &index);
    let mut message = choice.object("message");
    message.put("role", "assistant");
    // An answer without anything is an empty text; null belongs to calls and refusals.
    let nothing = (!told.calls && !told.refused).then_some(Cow::Borrowed(""));
    message.put("content", &all.text.or(nothing));
    message.put("refusal", &all.refusal);
    message.put_some("reasoning_content", all.thinking);
    annotations(&all.cited, &mut message, losses);
    if told.calls && legacy {
        if all.calls.len() > 1 {
            losses.drop("tool_calls");
        }
        if let Some((call, _)) = all.calls.first() {
            let mut function = message.object("function_call");
            function.put("name", &call.name);
            function.put("arguments", &arguments(call));
            function.end();
        }
    } else if told.calls {
        let mut list = message.list("tool_calls");
        for (call, seals) in &all.calls {
            tool_call(call, seals, form, list.object());
        }
        list.end();
    }
    message.end();
    if all.logprobs.is_empty() {
        choice.put("logprobs", &());
    } else {
        put_logprobs(all.logprobs.iter().copied(), &mut choice);
    }
    choice.put("finish_reason", finish_reason(candidate.finish, told));
    choice.end();
}

fn annotations(
    cited: &[(&Citation<'_>, (u64, u64))],
    message: &mut Object<'_>,
    losses: &mut Losses,
) {
    if cited.is_empty() {
        return;
    }
    let mut list = message.list("annotations");
    for (citation, span) in cited {
        annotation(citation, *span, None, (&mut list, losses));
    }
    list.end();
}

/// Writes a source of the text, with its place in a stream; one that is no page of the web has no form here.
pub(in crate::dialects::openai_chat) fn annotation(
    citation: &Citation<'_>,
    (start, end): (u64, u64),
    index: Option<u64>,
    (list, losses): (&mut List<'_>, &mut Losses),
) {
    let url = match &citation.source {
        CitationSource::Url(url) => url,
        CitationSource::Document(_) => return losses.drop("citations"),
    };
    let mut object = list.object();
    if let Some(index) = index {
        object.put("index", &index);
    }
    object.put("type", "url_citation");
    let mut cited = object.object("url_citation");
    cited.put("url", url);
    cited.put("title", citation.title.as_deref().unwrap_or_default());
    cited.put("start_index", &start);
    cited.put("end_index", &end);
    cited.end();
    object.end();
}

fn tool_call(call: &ToolCall<'_>, seals: &[Seal<'_>], form: CallForm, mut object: Object<'_>) {
    object.put("id", &seal::wrap_id(&call.id, seals));
    if call.kind == CallKind::Custom && !form.wraps(call.kind) {
        object.put("type", "custom");
        let mut custom = object.object("custom");
        custom.put("name", &call.name);
        custom.put("input", &call.arguments);
        custom.end();
    } else {
        object.put("type", "function");
        let mut function = object.object("function");
        function.put("name", &call.name);
        function.put("arguments", &arguments(call));
        function.end();
    }
    object.end();
}

/// A function's arguments: none are an empty object, those that were cut off stay so, free text is put into an object.
fn arguments<'r>(call: &'r ToolCall<'_>) -> Cow<'r, str> {
    match call.kind {
        CallKind::Custom => wrap_input(&call.arguments).into(),
        CallKind::Function if call.arguments.is_empty() => Cow::Borrowed("{}"),
        CallKind::Function => Cow::Borrowed(&call.arguments),
    }
}

/// Writes the `logprobs` of a choice.
pub(in crate::dialects::openai_chat) fn put_logprobs<'r>(
    tokens: impl Iterator<Item = &'r Logprob>,
    choice: &mut Object<'_>,
) {
    let mut logprobs = choice.object("logprobs");
    let mut content = logprobs.list("content");
    for token in tokens {
        let mut object = content.object();
        put_token(&token.token, token.logprob, &mut object);
        let mut top = object.list("top_logprobs");
        for (token, logprob) in &token.top {
            let mut object = top.object();
            put_token(token, *logprob, &mut object);
            object.end();
        }
        top.end();
        object.end();
    }
    content.end();
    logprobs.put("refusal", &());
    logprobs.end();
}

fn put_token(token: &str, logprob: f64, object: &mut Object<'_>) {
    object.put("token", token);
    object.put("logprob", &logprob);
    object.put("bytes", token.as_bytes());
}

/// What was told of a candidate before its end.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dialects::openai_chat) struct Told {
    pub(in crate::dialects::openai_chat) calls: bool,
    pub(in crate::dialects::openai_chat) refused: bool,
    pub(in crate::dialects::openai_chat) legacy: bool,
}

/// The dialect's word for why an answer ended.
pub(in crate::dialects::openai_chat) fn finish_reason(
    finish: Option<Finish>,
    told: Told,
) -> &'static str {
    let calls = if told.legacy { FUNCTION_CALL } else { "tool_calls" };
    match finish {
        Some(Finish::Length) => "length",
        Some(Finish::ToolCalls) if told.calls => calls,
        // OpenAI ends a refusal in words with `stop`; its SDK raises an error at `content_filter`.
        Some(Finish::ContentFilter) if !told.refused => "content_filter",
        // No call reached the client, so none is announced.
        Some(Finish::ToolCalls | Finish::ContentFilter) => "stop",
        None | Some(Finish::Stop | Finish::StopSequence | Finish::Pause | Finish::Other) => {
            if told.calls { calls } else { "stop" }
        }
    }
}

/// Writes `usage`. The dialect's answers always have one: what nobody counted is zeros.
pub(in crate::dialects::openai_chat) fn put_usage(usage: Option<Usage>, body: &mut Object<'_>) {
    let usage = usage.unwrap_or_default();
    let mut object = body.object("usage");
    object.put("prompt_tokens", &usage.input);
    object.put("completion_tokens", &usage.output);
    object.put("total_tokens", &usage.total());
    let mut prompt = object.object("prompt_tokens_details");
    prompt.put("cached_tokens", &usage.cache_read);
    prompt.put("cache_write_tokens", &usage.cache_write);
    prompt.end();
    let mut completion = object.object("completion_tokens_details");
    completion.put("reasoning_tokens", &usage.reasoning);
    completion.end();
    object.end();
}

/// Where texts of several blocks meet in one string. Neighbours are pieces of one text (Anthropic cuts a text where a
/// source begins); with anything between them they are paragraphs.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dialects::openai_chat) struct Joint {
    /// Something else stood between the last text and the next.
    parted: bool,
    /// The last text ended in white space.
    spaced: bool,
    /// Characters so far.
    length: u64,
    /// Where the block that is being written begins.
    start: u64,
}

impl Joint {
    /// Something else stands here.
    pub(in crate::dialects::openai_chat) fn part(&mut self) {
        self.parted = true;
    }

    /// A block of text begins.
    pub(in crate::dialects::openai_chat) fn begin(&mut self) {
        self.start = self.length;
    }

    /// What comes before a text.
    pub(in crate::dialects::openai_chat) fn before(&mut self, text: &str) -> &'static str {
        let paragraph = std::mem::take(&mut self.parted)
            && self.length > 0
            && !self.spaced
            && !text.starts_with(char::is_whitespace);
        if !paragraph {
            return "";
        }
        self.length += 2;
        self.start = self.length;
        "\n\n"
    }

    /// A text was written.
    pub(in crate::dialects::openai_chat) fn wrote(&mut self, text: &str) {
        self.spaced = text.ends_with(char::is_whitespace);
        self.length += text.chars().count() as u64;
    }

    /// Where in the whole text a source's words stand; the whole block where that is not known.
    pub(in crate::dialects::openai_chat) fn span(&self, span: Option<(u64, u64)>) -> (u64, u64) {
        match span {
            Some((start, end)) => {
                (self.start.saturating_add(start), self.start.saturating_add(end))
            }
            None => (self.start, self.length),
        }
    }
}
