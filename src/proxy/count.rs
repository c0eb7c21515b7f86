//! Who counts tokens where no account can? The gateway, by an estimate that says what it is.
//!
//! A provider's own counter comes first, the client's dialect before others. An estimate is told where no account that
//! serves the model has a counter (Chat Completions knows none), and where the servers of those that should have one don't.
//! Its answer carries `x-levity-estimate: tokens`.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::answer::dress;
use super::attempt;
use super::exchange::{Call, Exchange};
use super::head::fresh_head;
use super::refuse;
use super::reply::Trouble;
use crate::dialects::Path;
use crate::ir::error::Error;
use crate::monitor::record::ESTIMATED;
use crate::pool::verdict::Outcome;
use crate::pool::{Reach, Want};
use crate::route::Operation;
use crate::translate::Count;

/// Marks an answer whose number of tokens is an estimate of the gateway's.
const ESTIMATE: &str = "x-levity-estimate";

/// Answers a count that no account can make, though one serves the model; gives whether it did.
pub async fn answer(session: &mut Session, exchange: &mut Exchange) -> pingora::Result<bool> {
    let estimated = match &exchange.call {
        Some(call) if is_ours(exchange, call) => estimate(call),
        Some(_) | None => return Ok(false),
    };
    let (mut head, body) = match estimated {
        Ok(estimated) => estimated,
        Err(refusal) => {
            refuse::write(session, exchange, &refusal).await?;
            return Ok(true);
        }
    };
    dress(&mut head, exchange);
    exchange.answer_began(head.status, exchange.began.monotonic.elapsed());
    exchange.outcome = Some(ESTIMATED);
    session.write_response_header(Box::new(head), false).await?;
    session.write_response_body(Some(body), true).await?;
    Ok(true)
}

/// What to tell instead of the trouble of a server that turned out to have no counter.
pub fn instead(exchange: &mut Exchange, trouble: &Trouble) -> Option<(ResponseHeader, Bytes)> {
    let call = exchange.call.as_ref()?;
    if call.operation != Operation::CountTokens || trouble.verdict.outcome != Outcome::Unfit {
        return None;
    }
    // A request that cannot be estimated gets the provider's own words on it.
    let estimated = estimate(call).ok()?;
    exchange.outcome = Some(ESTIMATED);
    Some(estimated)
}

/// Whether it is a count for a model that only accounts without a counter serve. Whether there is one is a matter of the
/// configuration: accounts that are worn out say so themselves.
fn is_ours(exchange: &Exchange, call: &Call) -> bool {
    let serves = |reach| {
        let want = Want {
            model: &call.model,
            client: call.dialect,
            reach,
            prefer: None,
            tokens: 0,
            conversation: None,
        };
        exchange.live.pool.accounts().any(|account| account.serves(&want).is_some())
    };
    call.operation == Operation::CountTokens && !serves(Reach::Counted) && serves(Reach::Translated)
}

fn estimate(call: &Call) -> Result<(ResponseHeader, Bytes), Error> {
    let path = Path { model: &call.asked, ..Path::default() };
    let body = Count::estimate(call.dialect, &attempt::whole_request(call), path)?;
    let mut head = fresh_head(StatusCode::OK, "application/json");
    let framed = head.insert_header(header::CONTENT_LENGTH, body.len());
    let marked = head.insert_header(ESTIMATE, HeaderValue::from_static("tokens"));
    debug_assert!(framed.is_ok() && marked.is_ok(), "these names and values are valid");
    Ok((head, body.into()))
}
