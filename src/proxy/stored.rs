//! What is asked of a response that was given before: answered from the store, and what its account keeps too is asked of
//! that account. <https://platform.openai.com/docs/api-reference/responses/delete>

use bytes::Bytes;
use http::StatusCode;
use pingora::Result;
use pingora::proxy::Session;

use super::exchange::Exchange;
use super::fetch::Answered;
use super::upstream::Upstream;
use super::{models, refuse};
use crate::dialects::{self, Dialect};
use crate::ir::error::{Error as Refusal, ErrorKind};
use crate::store::record::{Answer, Record};
use crate::store::serve::{self, Question};

/// Answers a question about a response. `path` is what stands behind `responses/`.
pub async fn serve(
    session: &mut Session,
    exchange: &mut Exchange,
    (path, query): (&str, Option<&str>),
) -> Result<()> {
    session.downstream_session.drain_request_body().await?;
    let method = session.req_header().method.clone();
    match answer(exchange, Question { method: &method, path, query }).await {
        Ok(body) => models::write(session, exchange, body).await,
        Err(refusal) => refuse::write(session, exchange, &refusal).await,
    }
}

async fn answer(
    exchange: &Exchange,
    question: Question<'_>,
) -> std::result::Result<Bytes, Refusal> {
    if let Some(record) = exchange.store.find(&question.id()).await? {
        if question.deletes() {
            delete_there(exchange, &record, question).await?;
        } else if record.is_running() && question.is_about_progress() {
            return ask_how_far(exchange, &record, question).await;
        }
    }
    let most = usize::try_from(exchange.live.config.proxy.max_body).unwrap_or(usize::MAX);
    serve::answer(&exchange.store, question, most).await
}

/// Asks the account that makes a response in the background how far it has come, or has it cancelled. What is over is
/// remembered. <https://platform.openai.com/docs/guides/background>
async fn ask_how_far(
    exchange: &Exchange,
    record: &Record,
    question: Question<'_>,
) -> std::result::Result<Bytes, Refusal> {
    if question.wants_stream() {
        let message = "the gateway passes on the stream of a background response only once: ask without stream until it is completed";
        return Err(Refusal::invalid("stream", message));
    }
    let owner = &*record.account;
    let cannot = |why: &str| {
        let message = format!("account {owner} makes this response and cannot be asked: {why}");
        Refusal::new(ErrorKind::Internal, message)
    };
    let upstream =
        upstream(exchange, owner).ok_or_else(|| cannot("it is not configured any more"))?;
    let asked = ask(exchange, upstream, question).await;
    let answered = asked.map_err(|why| cannot(&why))?;
    match answered.status {
        status if status.is_success() => {}
        // The gateway's own key was refused, not the client's.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(cannot(&format!("it answered with status {}", answered.status)));
        }
        status => {
            let dialect = Dialect::OpenAiResponses;
            return Err(dialects::parse_error(dialect, status.as_u16(), &answered.body));
        }
    }
    let answer = std::str::from_utf8(&answered.body).ok().and_then(Answer::read);
    if let Some(answer) = answer.filter(|answer| !answer.is_running() && answer.id() == &*record.id)
    {
        exchange.store.keep(record.told_again(answer));
    }
    Ok(answered.body)
}

/// Has the account that keeps a response too delete it. The error says why it still has it.
async fn delete_there(
    exchange: &Exchange,
    record: &Record,
    question: Question<'_>,
) -> std::result::Result<(), Refusal> {
    let Some(owner) = record.owner() else { return Ok(()) };
    let id = &record.id;
    let Some(upstream) = upstream(exchange, owner) else {
        log::warn!("response {id} stays with account {owner}, which is not configured any more");
        return Ok(());
    };
    let why = match ask(exchange, upstream, question).await {
        Ok(Answered { status, .. }) if status.is_success() || status == StatusCode::NOT_FOUND => {
            return Ok(());
        }
        Ok(Answered { status, .. }) => format!("it answered with status {status}"),
        Err(why) => why,
    };
    let message =
        format!("account {owner} keeps this response too and has not deleted it: {why}; try again");
    Err(Refusal::new(ErrorKind::Internal, message))
}

/// How the account of a name is reached, where it is configured.
fn upstream<'e>(exchange: &'e Exchange, name: &str) -> Option<&'e Upstream> {
    let live = &exchange.live;
    let account = live.pool.named(name)?;
    live.upstream(account.id()).map(|upstream| &**upstream)
}

/// Asks an account what the client asks. The error says why there is no answer.
async fn ask(
    exchange: &Exchange,
    upstream: &Upstream,
    question: Question<'_>,
) -> std::result::Result<Answered, String> {
    upstream.credential_ready().await.map_err(|lacking| lacking.to_string())?;
    let Question { method, path, query } = question;
    let target = upstream.stored_target(path, query).map_err(|error| error.to_string())?;
    let request = http::Request::builder().method(method).uri(target).body(Bytes::new());
    let mut request = request.map_err(|error| error.to_string())?;
    upstream.sign(Dialect::OpenAiResponses, request.headers_mut());
    let patience = exchange.live.config.proxy.timeouts.first_byte;
    exchange.live.fetch.send(&upstream.destination, request, patience).await
}
