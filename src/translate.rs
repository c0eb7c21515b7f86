//! A request of one dialect said to an account of another, and its answer on the way back.

use crate::dialects::count::Counter;
use crate::dialects::tools::Toolbox;
use crate::dialects::tools::restore::Restore;
use crate::dialects::{self, Asked, Dialect, Origin, Path, StreamParser, StreamRenderer, Target};
use crate::ir::error::{Error, ErrorKind};
use crate::ir::estimate;
use crate::ir::event::{Delta, Event, Opening};
use crate::ir::fold::{Folder, unfold};
use crate::ir::losses::Losses;
use crate::ir::request::{Part, ReplyForm, Request, Role, Turn};
use crate::ir::response::Response;
use crate::ir::usage::Usage;
use crate::sse;

/// Who speaks what, and what the answer has to know of the request.
#[derive(Debug)]
pub struct Translation {
    client: Dialect,
    account: Dialect,
    issuer: String,
    toolbox: Toolbox,
    asked: Asked,
}

/// What names the exchange in what is written.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// At most 24 letters, digits or `_`, unique to it.
    pub id: &'a str,
    /// Now, in seconds since 1970.
    pub created: u64,
}

impl Translation {
    /// Says a client's request to an account: the translation for its answer, the body to send, and what was left out.
    /// The error is a request that the client got wrong, or one that the account's dialect has no words for.
    pub fn request(
        client: Dialect,
        account: Dialect,
        body: &[u8],
        path: Path<'_>,
        (target, exchange): (Target<'_>, Exchange<'_>),
    ) -> Result<(Self, Vec<u8>, Losses), Error> {
        let mut request = dialects::parse_request(client, body, path)?;
        crate::ir::tidy::tidy(&mut request);
        ask_something(&mut request, client, account)?;
        let toolbox = Toolbox::new(&request, account);
        let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 512);
        let mut losses = dialects::render_request(account, &request, target, &toolbox, &mut out);
        losses.extend(&request.unsaid);
        refuse(&losses)?;
        let reply = ReplyForm {
            include_usage: request.reply.include_usage,
            array_stream: request.reply.array_stream,
            echo: request.reply.echo.map(|echo| echo.into_owned().into()),
        };
        let asked = Asked {
            model: request.model.into_owned(),
            reply,
            id: exchange.id.to_owned(),
            created: exchange.created,
        };
        let translation =
            Self { client, account, issuer: target.issuer.to_owned(), toolbox, asked };
        Ok((translation, out, losses))
    }

    /// The answer says which response it goes on from: the account was told the whole conversation instead.
    pub fn goes_on_from(&mut self, previous: &str) {
        let named = serde_json::to_string(previous).unwrap_or_default();
        if let Some(echo) = &mut self.asked.reply.echo {
            let unnamed = "\"previous_response_id\":null";
            *echo = echo.replacen(unnamed, &format!("\"previous_response_id\":{named}"), 1).into();
        }
    }

    /// Says an account's whole answer to the client: the body, what was left out, and the usage.
    pub fn answer(&self, body: &[u8]) -> Result<(Vec<u8>, Losses, Option<Usage>), Error> {
        let mut response = dialects::parse_response(self.account, body, self.origin())?;
        self.restore(&mut response);
        Ok(self.render(&response, body.len()))
    }

    /// The same for a client that asked for a stream: some servers answer whole all the same.
    pub fn answer_streamed(&self, body: &[u8]) -> Result<(Vec<u8>, Losses, Option<Usage>), Error> {
        let mut response = dialects::parse_response(self.account, body, self.origin())?;
        self.restore(&mut response);
        let mut renderer = StreamRenderer::new(self.client, self.asked.clone());
        let mut out = Vec::with_capacity(2 * body.len() + 512);
        unfold(&response, &mut |event| renderer.push(event, &mut out));
        Ok((out, renderer.losses().clone(), response.usage))
    }

    /// Says an account's stream, all of it, to a client that asked for the answer whole: some servers know nothing else.
    pub fn stream_whole(&self, stream: &[u8]) -> Result<(Vec<u8>, Losses, Option<Usage>), Error> {
        let mut parser = StreamParser::new(self.account, self.origin());
        let mut folder = Folder::new();
        let mut decoder = sse::Decoder::new();
        decoder.push(stream, |event| parser.push(event, &mut |event| folder.push(event)));
        decoder.finish(|event| parser.push(event, &mut |event| folder.push(event)));
        parser.finish(&mut |event| folder.push(event));
        let mut response = folder.finish()?;
        self.restore(&mut response);
        Ok(self.render(&response, stream.len()))
    }

    /// Says an account's stream to the client.
    pub fn stream(&self) -> Stream {
        Stream {
            parser: StreamParser::new(self.account, self.origin()),
            restore: (!self.toolbox.is_empty()).then(|| Restore::new(self.toolbox.clone())),
            renderer: StreamRenderer::new(self.client, self.asked.clone()),
            progress: Progress::default(),
        }
    }

    /// Gives the calls of an answer the names and forms of the client's own tools.
    fn restore(&self, response: &mut Response<'_>) {
        if !self.toolbox.is_empty() {
            Restore::new(self.toolbox.clone()).response(response);
        }
    }

    /// An answer in the client's words; `length` of the account's.
    fn render(&self, response: &Response<'_>, length: usize) -> (Vec<u8>, Losses, Option<Usage>) {
        let mut out = Vec::with_capacity(length + 512);
        let losses = dialects::render_response(self.client, response, &self.asked, &mut out);
        (out, losses, response.usage)
    }

    fn origin(&self) -> Origin<'_> {
        Origin { issuer: &self.issuer, id: &self.asked.id }
    }
}

/// A count of a request's tokens, asked by a client of one dialect and made by an account of another.
#[derive(Clone, Copy, Debug)]
pub struct Count {
    client: Counter,
    account: Counter,
}

impl Count {
    /// Says a client's request to an account that is to count its tokens: the body to send, and what was left out.
    pub fn request(
        client: Dialect,
        account: Dialect,
        body: &[u8],
        path: Path<'_>,
        target: Target<'_>,
    ) -> Result<(Self, Vec<u8>, Losses), Error> {
        let (client, counter) = (counter(client)?, counter(account)?);
        let request = countable(client, body, path)?;
        let toolbox = Toolbox::new(&request, account);
        let mut out = Vec::with_capacity(body.len() + body.len() / 8 + 512);
        let mut losses = counter.render_request(&request, target, &toolbox, &mut out);
        losses.extend(&request.unsaid);
        refuse(&losses)?;
        Ok((Self { client, account: counter }, out, losses))
    }

    /// Says an account's count to the client.
    pub fn answer(self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        self.client.render(self.account.parse(body)?, &mut out);
        Ok(out)
    }

    /// What to tell a client where no account can count: an estimate.
    pub fn estimate(client: Dialect, body: &[u8], path: Path<'_>) -> Result<Vec<u8>, Error> {
        let client = counter(client)?;
        let request = countable(client, body, path)?;
        // A conversation that is kept elsewhere cannot be estimated.
        refuse(&request.unsaid)?;
        let mut out = Vec::new();
        client.render(estimate::tokens(&request), &mut out);
        Ok(out)
    }
}

fn counter(dialect: Dialect) -> Result<Counter, Error> {
    let none = || Error::new(ErrorKind::NotFound, format!("{dialect} has no count of tokens"));
    Counter::of(dialect).ok_or_else(none)
}

fn countable<'a>(client: Counter, body: &'a [u8], path: Path<'a>) -> Result<Request<'a>, Error> {
    let mut request = client.parse_request(body, path)?;
    crate::ir::tidy::tidy(&mut request);
    Ok(request)
}

/// The error of what may not be left out.
fn refuse(losses: &Losses) -> Result<(), Error> {
    match losses.refused.first() {
        Some((field, reason)) => Err(Error::invalid(field, format!("{field}: {reason}"))),
        None => Ok(()),
    }
}

/// Sees to it that there is something to answer. Chat Completions answers to a system text alone; the others want a turn
/// of the user's, so the last system text becomes one.
fn ask_something(
    request: &mut Request<'_>,
    client: Dialect,
    account: Dialect,
) -> Result<(), Error> {
    let is_order = |turn: &Turn<'_>| matches!(turn.role, Role::System | Role::Developer);
    // Proofs and the provider's own doings mean nothing to another provider.
    let says = |part: &Part<'_>| !matches!(part, Part::Reasoning(_) | Part::Hosted(_));
    let asks = |turn: &Turn<'_>| !is_order(turn) && turn.parts.iter().any(says);
    if request.turns.iter().any(asks) {
        return Ok(());
    }
    let order = request.turns.iter_mut().rfind(|turn| is_order(turn));
    let order = order.ok_or_else(|| nothing_said(client))?;
    if account != Dialect::OpenAiChat {
        order.role = Role::User;
    }
    Ok(())
}

fn nothing_said(client: Dialect) -> Error {
    let field = match client {
        Dialect::OpenAiChat | Dialect::Anthropic => "messages",
        Dialect::OpenAiResponses => "input",
        Dialect::Gemini => "contents",
    };
    Error::invalid(field, format!("{field} holds nothing to answer"))
}

/// A stream on its way back.
#[derive(Debug)]
pub struct Stream {
    parser: StreamParser,
    restore: Option<Restore>,
    renderer: StreamRenderer,
    progress: Progress,
}

/// How far an answer has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// Whether it has begun with meaning: text, thinking, a call, an image, a finish reason.
    pub begun: bool,
    /// Whether it has come to its proper end.
    pub ended: bool,
    /// The failure that ended it.
    pub failed: Option<Error>,
    /// What it cost, as far as it is known.
    pub usage: Option<Usage>,
}

impl Stream {
    /// Feeds one event of the account's stream; appends what it makes the client hear.
    pub fn push(&mut self, event: &sse::Event<'_>, out: &mut Vec<u8>) {
        let Self { parser, restore, renderer, progress } = self;
        parser.push(event, &mut |event| say(event, restore, renderer, progress, out));
    }

    /// Ends the stream: what never came to its end fails.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        let Self { parser, restore, renderer, progress } = self;
        parser.finish(&mut |event| say(event, restore, renderer, progress, out));
    }

    /// Ends the stream with a failure of the gateway's making, if it has not ended yet.
    pub fn fail(&mut self, error: Error, out: &mut Vec<u8>) {
        if !self.progress.ended && self.progress.failed.is_none() {
            self.renderer.push(&Event::Fail(error.clone()), out);
            self.progress.failed = Some(error);
        }
    }

    /// How far the answer has come.
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// What the client's dialect had no words for so far.
    pub fn losses(&self) -> &Losses {
        self.renderer.losses()
    }
}

fn say(
    event: &Event<'_>,
    restore: &mut Option<Restore>,
    renderer: &mut StreamRenderer,
    progress: &mut Progress,
    out: &mut Vec<u8>,
) {
    progress.observe(event);
    match restore {
        Some(restore) => restore.push(event, &mut |event| renderer.push(event, out)),
        None => renderer.push(event, out),
    }
}

impl Progress {
    /// Takes in one step of an answer.
    pub fn observe(&mut self, event: &Event<'_>) {
        match event {
            Event::Start { usage, .. } => {
                if usage.is_some() {
                    self.usage = *usage;
                }
            }
            Event::Open { block, .. } => {
                // Text and thinking begin with their first word: providers open blocks that stay empty.
                self.begun |=
                    !matches!(block, Opening::Text | Opening::Refusal | Opening::Reasoning);
            }
            Event::Delta(delta) => {
                self.begun |= match delta {
                    Delta::Text(text) | Delta::Arguments(text) => !text.is_empty(),
                    Delta::Citation(_) | Delta::Seal(_) => true,
                    Delta::Logprobs(_) => false,
                };
            }
            Event::Close => {}
            Event::Finish { .. } => self.begun = true,
            Event::End { usage } => {
                self.begun = true;
                self.ended = true;
                if usage.is_some() {
                    self.usage = *usage;
                }
            }
            Event::Fail(error) => self.failed = Some(error.clone()),
        }
    }
}

/// The failure of a stream that broke off.
pub fn broke_off(why: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("the provider's stream broke off: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::Quirks;

    fn said(account: Dialect, body: &str) -> Result<String, Error> {
        let target = Target { model: "m", issuer: "", quirks: Quirks::default() };
        let exchange = Exchange { id: "x1", created: 7 };
        let client = Dialect::OpenAiChat;
        let path = Path::default();
        let said = Translation::request(client, account, body.as_bytes(), path, (target, exchange));
        said.map(|(_, body, _)| String::from_utf8_lossy(&body).into_owned())
    }

    #[test]
    fn a_system_text_alone_is_asked() {
        let body = r#"{"model":"m","messages":[{"role":"system","content":"Be terse."},{"role":"system","content":"Say hi."}]}"#;
        for account in [Dialect::OpenAiResponses, Dialect::Anthropic, Dialect::Gemini] {
            let said = said(account, body).unwrap_or_default();
            let user = said.find(r#""user""#);
            assert!(user.is_some() && said.contains("Be terse."), "{said}");
            assert!(dialects::parse_request(account, said.as_bytes(), Path::default()).is_ok());
        }
        let said = said(Dialect::OpenAiChat, body).unwrap_or_default();
        assert!(!said.contains(r#""user""#), "{said}");
    }

    #[test]
    fn nothing_to_answer_is_refused() {
        for body in [
            r#"{"model":"m","messages":[{"role":"user","content":" \n"}]}"#,
            r#"{"model":"m","messages":[{"role":"assistant","content":null,"reasoning_content":"Hm."}]}"#,
        ] {
            for account in Dialect::ALL {
                let error = said(account, body).err();
                assert_eq!(error.and_then(|error| error.param).as_deref(), Some("messages"));
            }
        }
    }
}
