//! What the ir holds, in lines that a person can compare; and the laws that its events obey.

use std::fmt::Write as _;

use levity::ir::event::{Delta, Event, Opening};
use levity::ir::request::{Part, Request, Source, ToolCall};
use levity::ir::response::{Block, Citation, CitationSource, Finish, Response};
use levity::ir::seal::Seal;

/// A request, one part a line.
pub(crate) fn request(request: &Request<'_>) -> String {
    let mut out = String::new();
    for turn in &request.turns {
        for item in &turn.parts {
            let _ = writeln!(out, "{:?} | {}", turn.role, part(item));
        }
    }
    for tool in &request.tools {
        let _ = writeln!(out, "tool | {tool:?}");
    }
    let _ = writeln!(out, "choice | {:?}", request.tool_choice);
    let _ = writeln!(out, "sampling | {:?}", request.sampling);
    let _ = writeln!(
        out,
        "limits | {:?} {:?} {:?} {:?}",
        request.max_output, request.stop, request.candidates, request.logprobs
    );
    let _ = writeln!(out, "reasoning | {:?}", request.reasoning);
    let _ = writeln!(out, "format | {:?}", request.format);
    let _ = writeln!(out, "unsaid | {:?}", request.unsaid);
    out
}

fn part(part: &Part<'_>) -> String {
    match part {
        Part::Text(text) => format!("text {text:?}"),
        Part::Refusal(text) => format!("refusal {text:?}"),
        Part::Reasoning(part) => format!("reasoning {:?} {}", part.text, seal(part.seal.as_ref())),
        Part::Image(image) => format!("image {:?} {}", image.mime, source(&image.source)),
        Part::File(file) => {
            format!("file {:?} {:?} {}", file.mime, file.name, source(&file.source))
        }
        Part::Audio(media) => format!("audio {:?} {}", media.mime, source(&media.source)),
        Part::Video(media) => format!("video {:?} {}", media.mime, source(&media.source)),
        Part::ToolCall(call) => format!("call {}", tool_call(call)),
        Part::ToolResult(result) => {
            let parts: Vec<String> = result.parts.iter().map(self::part).collect();
            let failed = if result.failed { " failed" } else { "" };
            format!("result {} {:?}{failed} {}", result.call, result.name, parts.join("; "))
        }
        Part::Hosted(item) => format!("hosted {:?} {} {}", item.tool, item.name, item.raw),
    }
}

fn source(source: &Source<'_>) -> String {
    match source {
        Source::Base64(data) => format!("base64 {data}"),
        Source::Url(url) => format!("url {url}"),
        Source::FileId(id) => format!("file id {id}"),
        Source::Text(text) => format!("text {text:?}"),
    }
}

fn tool_call(call: &ToolCall<'_>) -> String {
    format!("{} {} {} {}", call.id, call.name, call.arguments, seal(call.seal.as_ref()))
}

fn seal(seal: Option<&Seal<'_>>) -> String {
    seal.map_or_else(String::new, |seal| {
        format!("sealed {:?} by {:?}: {}", seal.kind, seal.issuer, seal.data)
    })
}

fn citation(citation: &Citation<'_>) -> String {
    let source = match &citation.source {
        CitationSource::Url(url) => url,
        CitationSource::Document(name) => name,
    };
    format!("[{source} {:?} {:?}]", citation.title, citation.span)
}

/// An answer, one block a line.
pub(crate) fn response(response: &Response<'_>) -> String {
    let mut out = format!("{} {} {:?}\n", response.id, response.model, response.created);
    for (index, candidate) in response.candidates.iter().enumerate() {
        for block in &candidate.blocks {
            let _ = writeln!(out, "{index} | {}", self::block(block));
        }
        let _ = writeln!(out, "{index} | finish {:?}", candidate.finish);
    }
    let _ = writeln!(out, "{:?}", response.usage);
    out
}

fn block(block: &Block<'_>) -> String {
    match block {
        Block::Text { text, citations, logprobs } => {
            let cited: Vec<String> = citations.iter().map(citation).collect();
            let tokens = if logprobs.is_empty() { String::new() } else { format!(" {logprobs:?}") };
            format!("text {text:?} {}{tokens}", cited.concat())
        }
        Block::Refusal(text) => format!("refusal {text:?}"),
        Block::Reasoning { text, seal } => {
            format!("reasoning {text:?} {}", self::seal(seal.as_ref()))
        }
        Block::ToolCall(call) => format!("call {}", tool_call(call)),
        Block::Image { mime, data } => format!("image {mime} {data}"),
        Block::Audio { mime, data, .. } => format!("audio {mime} {data}"),
        Block::Hosted(item) => format!("hosted {:?} {} {}", item.tool, item.name, item.raw),
    }
}

/// One event in a line.
pub(crate) fn event(event: &Event<'_>) -> String {
    match event {
        Event::Start { id, model, created, .. } => format!("start {id} {model} {created:?}"),
        Event::Open { candidate, block } => format!("open {candidate} {}", opening(block)),
        Event::Delta(Delta::Text(text)) => format!("  text {text:?}"),
        Event::Delta(Delta::Arguments(text)) => format!("  arguments {text}"),
        Event::Delta(Delta::Citation(own)) => format!("  citation {}", citation(own)),
        Event::Delta(Delta::Logprobs(tokens)) => format!("  logprobs {tokens:?}"),
        Event::Delta(Delta::Seal(own)) => format!("  {}", seal(Some(own))),
        Event::Close => "close".to_owned(),
        Event::Finish { candidate, reason } => format!("finish {candidate} {reason:?}"),
        Event::End { usage } => format!("end {usage:?}"),
        Event::Fail(error) => format!("fail {error:?}"),
    }
}

fn opening(opening: &Opening<'_>) -> String {
    match opening {
        Opening::Text => "text".to_owned(),
        Opening::Refusal => "refusal".to_owned(),
        Opening::Reasoning => "reasoning".to_owned(),
        Opening::ToolCall { id, name, seal: own, .. } => {
            format!("call {id} {name} {}", seal(own.as_ref()))
        }
        Opening::Image { mime, data } => format!("image {mime} {data}"),
        Opening::Audio { mime, data, .. } => format!("audio {mime} {data}"),
        Opening::Hosted(item) => format!("hosted {:?} {} {}", item.tool, item.name, item.raw),
    }
}

/// The grammar of a stream: `Start (Open Delta* Close | Finish)* (End | Fail)`.
#[derive(Default)]
pub(crate) struct Grammar {
    started: bool,
    open: bool,
    done: bool,
    blocks: Vec<u32>,
    finished: Vec<u32>,
}

impl Grammar {
    /// Panics where the event may not come now.
    pub(crate) fn push(&mut self, event: &Event<'_>) {
        assert!(!self.done, "{event:?} after the end");
        assert_eq!(matches!(event, Event::Start { .. }), !self.started, "{event:?}");
        match event {
            Event::Start { .. } => self.started = true,
            Event::Open { candidate, block } => {
                assert!(!self.open, "{event:?} inside a block");
                assert!(!self.finished.contains(candidate), "a block after its finish");
                if let Opening::ToolCall { id, name, .. } = block {
                    assert!(!id.is_empty() && !name.is_empty());
                }
                self.open = true;
                self.blocks.push(*candidate);
            }
            Event::Delta(_) => assert!(self.open, "{event:?} outside a block"),
            Event::Close => assert!(std::mem::take(&mut self.open), "close without open"),
            Event::Finish { candidate, .. } => {
                assert!(!self.open && !self.finished.contains(candidate));
                self.finished.push(*candidate);
            }
            Event::End { .. } => {
                assert!(!self.open && !self.finished.is_empty());
                assert!(self.blocks.iter().all(|candidate| self.finished.contains(candidate)));
                self.done = true;
            }
            Event::Fail(_) => {
                assert!(!self.open, "fail inside a block");
                self.done = true;
            }
        }
    }

    /// Panics where the stream has not come to its end.
    pub(crate) fn end(&self) {
        assert!(self.done, "the stream has no end");
    }
}

/// The answer that events make, as `response` writes it; `None` where they fail. Blocks of candidates that took turns are
/// put together again.
pub(crate) fn fold(events: &[String]) -> Option<String> {
    let mut head = String::new();
    let mut candidates: Vec<(String, Vec<String>, String)> = Vec::new();
    let (mut usage, mut at) = (String::new(), 0);
    for line in events {
        if let Some(rest) = line.strip_prefix("start ") {
            rest.clone_into(&mut head);
        } else if let Some(rest) = line.strip_prefix("open ") {
            let (index, block) = rest.split_once(' ').unwrap();
            at = candidates.iter().position(|own| own.0 == index).unwrap_or_else(|| {
                candidates.push((index.to_owned(), Vec::new(), String::new()));
                candidates.len() - 1
            });
            candidates[at].1.push(block.to_owned());
        } else if line.starts_with("  ") {
            push_joined(&mut candidates[at].1, line);
        } else if let Some(rest) = line.strip_prefix("finish ") {
            let (index, reason) = rest.split_once(' ').unwrap();
            match candidates.iter_mut().find(|own| own.0 == index) {
                Some(own) => reason.clone_into(&mut own.2),
                None => candidates.push((index.to_owned(), Vec::new(), reason.to_owned())),
            }
        } else if let Some(rest) = line.strip_prefix("end ") {
            rest.clone_into(&mut usage);
        } else if line.starts_with("fail") {
            return None;
        }
    }
    candidates.sort();
    Some(format!("{head}\n{candidates:?}\n{usage}"))
}

/// Pieces of one text are one text.
fn push_joined(lines: &mut Vec<String>, line: &str) {
    const TEXT: &str = "  text \"";
    match (lines.last_mut(), line.strip_prefix(TEXT)) {
        (Some(last), Some(more)) if last.starts_with(TEXT) => {
            last.pop();
            last.push_str(more);
        }
        _ => lines.push(line.to_owned()),
    }
}

/// The same of a whole answer.
pub(crate) fn unfold(response: &Response<'_>) -> String {
    let head = format!("{} {} {:?}", response.id, response.model, response.created);
    let mut candidates = Vec::new();
    for (index, candidate) in response.candidates.iter().enumerate() {
        let lines: Vec<String> = candidate.blocks.iter().flat_map(lines).collect();
        let finish = candidate.finish.unwrap_or(Finish::Other);
        candidates.push((index.to_string(), lines, format!("{finish:?}")));
    }
    format!("{head}\n{candidates:?}\n{:?}", response.usage)
}

fn lines(block: &Block<'_>) -> Vec<String> {
    let said = |text: &str| (!text.is_empty()).then(|| format!("  text {text:?}"));
    let sealed = |own: &Option<Seal<'_>>| own.as_ref().map(|own| format!("  {}", seal(Some(own))));
    match block {
        Block::Text { text, citations, logprobs } => {
            let mut lines = vec!["text".to_owned()];
            lines.extend(said(text));
            if !logprobs.is_empty() {
                lines.push(format!("  logprobs {logprobs:?}"));
            }
            lines.extend(citations.iter().map(|own| format!("  citation {}", citation(own))));
            lines
        }
        Block::Refusal(text) => vec!["refusal".to_owned(), text.to_string()],
        Block::Reasoning { text, seal } => {
            let mut lines = vec!["reasoning".to_owned()];
            lines.extend(said(text));
            lines.extend(sealed(seal));
            lines
        }
        Block::ToolCall(call) => {
            let mut lines =
                vec![format!("call {} {} {}", call.id, call.name, seal(call.seal.as_ref()))];
            if !call.arguments.is_empty() {
                lines.push(format!("  arguments {}", call.arguments));
            }
            lines
        }
        Block::Image { mime, data } => vec![format!("image {mime} {data}")],
        Block::Audio { mime, data, .. } => vec![format!("audio {mime} {data}")],
        Block::Hosted(item) => vec![format!("hosted {:?} {} {}", item.tool, item.name, item.raw)],
    }
}
