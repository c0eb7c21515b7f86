//! One try at one account: what it is told, and where.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, header};
use pingora::http::RequestHeader;

use super::exchange::Call;
use super::handover::Answer;
use super::head::{declares, named};
use super::live::Live;
use super::upstream::Upstream;
use super::vertex;
use crate::clock::Now;
use crate::config::Provider;
use crate::dialects::{Dialect, Path, Quirks, Target};
use crate::embeddings;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::losses::Losses;
use crate::pool::lease::Lease;
use crate::route::Operation;
use crate::store::resolve::{Audience, Turn};
use crate::translate::{self, Count, Translation};

/// One try.
pub struct Attempt {
    /// The account, for as long as it is asked.
    pub lease: Lease,
    /// How it is reached.
    pub upstream: Arc<Upstream>,
    /// Whether it is told what the client said, or what that means.
    pub plan: Plan,
    /// Path and query.
    target: Uri,
    /// The whole body.
    pub body: Bytes,
    /// Times that it was sent again because a kept connection had gone stale.
    pub resent: u32,
    /// Whether the account was asked beside another one.
    pub hedged: bool,
    /// Its answer, where that began before the attempt was the one at hand.
    pub answer: Option<Box<Answer>>,
}

/// Whose request an attempt is for.
#[derive(Clone, Copy)]
pub struct Whose<'a> {
    /// The configuration that it began under.
    pub live: &'a Live,
    /// Its id.
    pub id: &'a str,
    /// When it began.
    pub began: Now,
}

/// How an account is told what the client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// As the client asked.
    AsAsked,
    /// With all that the request goes on from: the account that kept it has forgotten.
    Rebuilt,
    /// Without the seals of earlier turns: the account refused one.
    Unsealed,
    /// In the gateway's words, though the dialect is the client's: the account did not know a field of the client's.
    Respelt,
}

impl Telling {
    /// Whether a client of the account's own dialect is passed on in its own words.
    const fn forwards(self) -> bool {
        matches!(self, Self::AsAsked | Self::Rebuilt)
    }
}

/// How a request goes to its account.
pub enum Plan {
    /// In the client's own words.
    Forward,
    /// In the account's.
    Translate(Box<Translation>),
    /// In the account's, and nothing but a number is asked.
    Count(Count),
    /// In the account's, and vectors are asked.
    Embed(Box<embeddings::Translation>),
}

/// Headers of a client that are for the gateway alone, or that belong to the credential that it replaces: with another's
/// key, an organization or a project of the client's own is refused as if the key were wrong.
static FOR_US: [HeaderName; 11] = [
    header::AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
    header::COOKIE,
    header::EXPECT,
    header::CONTENT_ENCODING,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("x-levity-probe"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("x-goog-user-project"),
];
/// What comes back is read on the way, so it is asked for as it is.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

impl Attempt {
    /// Prepares what an account is told. The error names what the client got wrong, or what the account's dialect has no
    /// words for.
    pub fn new(
        whose: Whose<'_>,
        call: &Call,
        lease: Lease,
        telling: Telling,
    ) -> Result<(Self, Losses), Error> {
        let upstream = whose
            .live
            .upstream(lease.account().id())
            .cloned()
            .ok_or_else(|| Error::new(ErrorKind::Internal, "the account is gone"))?;
        let dialect = lease.dialect();
        let mut losses = Losses::default();
        let (plan, body, target) = if call.is_own_to(dialect) && telling.forwards() {
            let target = upstream.forward_target(dialect, call, lease.model());
            let account = &lease.account().config.name;
            (Plan::Forward, call.body_for(account, lease.model(), telling)?, target)
        } else if call.operation == Operation::CountTokens {
            let (count, body, lost) = counted(whose, call, &lease)?;
            losses = lost;
            let target = upstream.count_target(dialect, lease.model());
            (Plan::Count(count), body.into(), target)
        } else if call.operation.embeds() {
            let (embed, body, lost) = embedded(whose, call, &lease)?;
            losses = lost;
            let target = upstream.embed_target(dialect, &embed.operation(), lease.model());
            (Plan::Embed(Box::new(embed)), body.into(), target)
        } else {
            let (translation, body, lost) = translated(whose, call, &lease, telling)?;
            losses = lost;
            let target = upstream.translate_target(dialect, lease.model(), call.stream);
            (Plan::Translate(Box::new(translation)), body.into(), target)
        };
        let target = target.map_err(|_| {
            Error::invalid("model", "the model's name cannot stand in a request path")
        })?;
        let body = upstream.fit(dialect, &call.operation, lease.model(), body);
        let (resent, hedged, answer) = (0, false, None);
        Ok((Self { lease, upstream, plan, target, body, resent, hedged, answer }, losses))
    }

    /// Makes the head of the upstream request out of the client's.
    ///
    /// Pingora's heads remember how every name was written, which doubles the cost of a change. The parts under them do not:
    /// names go out as HTTP/2 has them, in small letters.
    pub fn write_head(&self, call: &Call, head: &mut RequestHeader) {
        let fresh = || http::Request::new(()).into_parts().0;
        let mut parts = match self.plan {
            Plan::Forward => {
                let asked = std::mem::replace(head, RequestHeader::from(fresh()));
                let mut parts = http::request::Parts::from(asked);
                for name in named(&parts.headers, &FOR_US) {
                    parts.headers.remove(name);
                }
                parts
            }
            Plan::Translate(_) | Plan::Count(_) | Plan::Embed(_) => {
                let mut parts = fresh();
                parts.method = Method::POST;
                let accept = if call.stream { EVENT_STREAM } else { JSON };
                parts.headers.insert(header::CONTENT_TYPE, JSON);
                parts.headers.insert(header::ACCEPT, accept);
                parts.headers.insert(header::USER_AGENT, USER_AGENT);
                parts
            }
        };
        parts.uri = self.target.clone();
        if self.body.is_empty() {
            parts.headers.remove(header::CONTENT_LENGTH);
        } else if !declares(&parts.headers, self.body.len()) {
            parts.headers.insert(header::CONTENT_LENGTH, self.body.len().into());
        }
        parts.headers.insert(header::ACCEPT_ENCODING, IDENTITY);
        self.upstream.sign(self.lease.dialect(), &mut parts.headers);
        *head = RequestHeader::from(parts);
    }
}

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("levity/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

fn translated(
    whose: Whose<'_>,
    call: &Call,
    lease: &Lease,
    telling: Telling,
) -> Result<(Translation, Vec<u8>, Losses), Error> {
    let account = &lease.account().config;
    let issuer = match telling {
        Telling::AsAsked | Telling::Rebuilt | Telling::Respelt => {
            issuer(lease.dialect(), account.provider)
        }
        Telling::Unsealed => NOBODY.to_owned(),
    };
    let target = Target { model: lease.model(), issuer: &issuer, quirks: quirks(lease) };
    let path = Path {
        model: if call.operation == Operation::Generate { "" } else { &call.asked },
        stream: call.stream,
        array_stream: call.array_stream(),
    };
    let names = translate::Exchange { id: whose.id, created: whose.began.since_epoch().as_secs() };
    let asked = whole_request(call);
    let (mut translation, body, mut losses) =
        Translation::request(call.dialect, lease.dialect(), &asked, path, (target, names))?;
    if let Some(previous) = call.turn.as_ref().and_then(Turn::previous) {
        translation.goes_on_from(previous);
    }
    if telling == Telling::Unsealed {
        losses.drop("signature");
    }
    be_strict(whose, lease, &losses)?;
    Ok((translation, body, losses))
}

/// The client's request with all that it goes on from.
pub fn whole_request(call: &Call) -> Bytes {
    match &call.turn {
        Some(turn) => turn.body(Audience::Translation),
        None => call.body.clone(),
    }
}

/// An issuer that made no seal.
const NOBODY: &str = "nobody";

fn counted(
    whose: Whose<'_>,
    call: &Call,
    lease: &Lease,
) -> Result<(Count, Vec<u8>, Losses), Error> {
    let issuer = issuer(lease.dialect(), lease.account().config.provider);
    let target = Target { model: lease.model(), issuer: &issuer, quirks: quirks(lease) };
    let path = Path { model: &call.asked, ..Path::default() };
    let (count, body, losses) =
        Count::request(call.dialect, lease.dialect(), &whole_request(call), path, target)?;
    be_strict(whose, lease, &losses)?;
    Ok((count, body, losses))
}

fn embedded(
    whose: Whose<'_>,
    call: &Call,
    lease: &Lease,
) -> Result<(embeddings::Translation, Vec<u8>, Losses), Error> {
    let model = lease.model();
    if lease.account().config.provider == Provider::Vertex && !vertex::embeds_content(model) {
        let message = format!(
            "Vertex AI has {model:?} under predict alone, which the gateway does not speak: ask for a gemini-embedding model"
        );
        return Err(Error::invalid("model", message));
    }
    let target = Target { model, issuer: NOBODY, quirks: quirks(lease) };
    let client = (call.dialect, &call.operation);
    let (embed, body, losses) =
        embeddings::Translation::request(client, lease.dialect(), &call.asked, &call.body, target)?;
    be_strict(whose, lease, &losses)?;
    Ok((embed, body, losses))
}

/// Refuses what would be dropped, where the owner wants that.
fn be_strict(whose: Whose<'_>, lease: &Lease, losses: &Losses) -> Result<(), Error> {
    let Some(field) = losses.names().next().filter(|_| whose.live.config.proxy.strict) else {
        return Ok(());
    };
    Err(Error::invalid(
        field,
        format!(
            "{field} has no form in {}, and proxy.strict is on: leave it out, or switch proxy.strict off",
            lease.dialect()
        ),
    ))
}

/// Whose seals an account reads: those of its provider in its dialect. Claude's are good wherever Claude is served.
/// <https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking>
fn issuer(dialect: Dialect, provider: Provider) -> String {
    let provider = match (dialect, provider) {
        (Dialect::Anthropic, Provider::Vertex) => Provider::Anthropic,
        _ => provider,
    };
    format!("{dialect}/{}", provider.name())
}

/// What a lease's account does otherwise than its dialect says.
fn quirks(lease: &Lease) -> Quirks {
    let is_vertex = lease.account().config.provider == Provider::Vertex;
    Quirks { schema_subset: is_vertex, embed_config: is_vertex }
}
