//! What is asked of a response that was given before: answered from the store, and what its account keeps too is asked of
//! that account. <https://platform.openai.com/docs/api-reference/responses/delete>

use bytes::Bytes;
use http::{Method, StatusCode};
use pingora::Result;
use pingora::proxy::Session;

use super::exchange::Exchange;
use super::upstream::Upstream;
use super::{models, refuse};
use crate::dialects::Dialect;
use crate::ir::error::{Error as Refusal, ErrorKind};
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
    if let Some(id) = question.deletes() {
        delete_there(exchange, &id).await?;
    }
    let most = usize::try_from(exchange.live.config.proxy.max_body).unwrap_or(usize::MAX);
    serve::answer(&exchange.store, question, most).await
}

/// Has the account that keeps a response too delete it. The error says why it still has it.
async fn delete_there(exchange: &Exchange, id: &str) -> std::result::Result<(), Refusal> {
    let Some(record) = exchange.store.find(id).await? else { return Ok(()) };
    let Some(owner) = record.owner() else { return Ok(()) };
    let Some(upstream) = upstream(exchange, owner) else {
        log::warn!("response {id} stays with account {owner}, which is not configured any more");
        return Ok(());
    };
    let why = match ask(exchange, upstream, Method::DELETE, id).await {
        Ok(status) if status.is_success() || status == StatusCode::NOT_FOUND => return Ok(()),
        Ok(status) => format!("it answered with status {status}"),
        Err(why) => why,
    };
    let message =
        format!("account {owner} keeps this response too and has not deleted it: {why}; try again");
    Err(Refusal::new(ErrorKind::Internal, message))
}

/// How the account of a name is reached, where it is configured.
fn upstream<'e>(exchange: &'e Exchange, name: &str) -> Option<&'e Upstream> {
    let live = &exchange.live;
    let account = live.pool.accounts().find(|account| account.config.name == name)?;
    live.upstream(account.id()).map(|upstream| &**upstream)
}

/// Asks an account about a response. The error says why there is no answer.
async fn ask(
    exchange: &Exchange,
    upstream: &Upstream,
    method: Method,
    id: &str,
) -> std::result::Result<StatusCode, String> {
    upstream.credential_ready().await.map_err(|lacking| lacking.to_string())?;
    let target = upstream.stored_target(id).map_err(|error| error.to_string())?;
    let request = http::Request::builder().method(method).uri(target).body(Bytes::new());
    let mut request = request.map_err(|error| error.to_string())?;
    upstream.sign(Dialect::OpenAiResponses, request.headers_mut());
    let patience = exchange.live.config.proxy.timeouts.first_byte;
    let answered = exchange.live.fetch.send(&upstream.destination, request, patience).await?;
    Ok(answered.status)
}
