//! One account tried by itself: by its provider's list of models, which costs nothing, or by a tiny request.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::Admin;
use super::accounts::{Name, unknown};
use super::ask::{self, Message, Words};
use super::error::{Body, Error};
use crate::clock::milliseconds;
use crate::config::edit::mask::COVER;
use crate::dialects::{self, Dialect};
use crate::pool::account::Account;
use crate::proxy::catalog;
use crate::proxy::fetch::Answered;
use crate::proxy::probe::{self, Question};

/// How long an account may take to list its models.
const LIST: Duration = Duration::from_secs(15);
/// How long it may take to answer a few words.
const ANSWER: Duration = Duration::from_mins(1);
/// Enough for a word; some providers take no less.
const FEW_TOKENS: u32 = 16;

/// The paths of this file.
pub fn routes() -> Router<Admin> {
    Router::new().route("/api/accounts/{name}/test", post(test))
}

/// `POST /api/accounts/{name}/test`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The model to ask for a word; left out, the list of models is asked for.
    model: Option<String>,
}

/// What came of a test.
#[derive(Debug, Deserialize, Serialize)]
pub struct Outcome {
    /// Whether the account answered as it should.
    pub ok: bool,
    /// The provider's status; nothing where there was no answer.
    pub status: Option<u16>,
    /// From the start to the answer's head.
    pub first_byte_ms: Option<u64>,
    /// From the start to the answer's end.
    pub total_ms: u64,
    /// The model that was asked, by its name there.
    pub model: Option<String>,
    /// What came of it, in words.
    pub message: String,
}

async fn test(
    State(admin): State<Admin>,
    Name(name): Name,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Outcome>, Error> {
    let live = admin.live.load_full();
    let found = live.pool.named(&name);
    let account = found.ok_or_else(|| unknown(&name))?;
    let none = || Error::internal("the account speaks no dialect");
    let upstream = live.upstream(account.id()).ok_or_else(none)?;
    let wanted = wanted.model.as_deref().map(str::trim);
    if wanted == Some("") {
        return Err(Error::bad("model: expected the name of a model"));
    }
    // An account that is off serves nothing, and can be tested all the same.
    let there = |model: &str| {
        account.upstream_model(model).map_or_else(|| model.to_owned(), Cow::into_owned)
    };
    let model = wanted.map(there);
    let spoken = match &model {
        Some(model) => account.config.dialects_for(model),
        None => &account.config.dialects,
    };
    let dialect = *spoken.first().ok_or_else(none)?;
    let question = question(dialect, model.as_deref())?;
    let patience = if model.is_some() { ANSWER } else { LIST };
    let certificates = admin.control.loader().certificates().map(ToOwned::to_owned);
    let began = Instant::now();
    let answer = probe::ask(upstream, dialect, question, certificates, patience).await;
    let total = began.elapsed();
    let (ok, message) = match &answer {
        Ok(answered) => judge(dialect, answered, model.is_some()),
        Err(why) => (false, why.clone()),
    };
    Ok(Json(Outcome {
        ok,
        status: answer.as_ref().ok().map(|answered| answered.status.as_u16()),
        first_byte_ms: answer.as_ref().ok().map(|answered| milliseconds(answered.first_byte)),
        total_ms: milliseconds(total),
        model,
        message: without_key(&message, account),
    }))
}

fn question(dialect: Dialect, model: Option<&str>) -> Result<Question, Error> {
    let Some(model) = model else { return Ok(Question::Models) };
    let words = Words {
        model,
        messages: [Message::of_user("Say hello in one word.")],
        stream: false,
        max_completion_tokens: Some(FEW_TOKENS),
    };
    let body = ask::body(dialect, &words).map_err(|error| Error::bad(error.message))?;
    Ok(Question::Generate { model: model.to_owned(), body: body.into() })
}

/// Whether an answer is as it should be, in words.
fn judge(dialect: Dialect, answered: &Answered, generated: bool) -> (bool, String) {
    let Answered { status, body, .. } = answered;
    if !status.is_success() {
        let said = dialects::parse_error(dialect, status.as_u16(), body).message;
        let lists = generated || !matches!(status.as_u16(), 404 | 405 | 501);
        let message = if lists {
            said
        } else {
            format!("it has no list of models ({said}); name a model to test it by a tiny request")
        };
        return (false, message);
    }
    if generated {
        return match ask::text(dialect, body) {
            Ok(text) if text.trim().is_empty() => (true, "it answers".to_owned()),
            Ok(text) => (true, format!("it answers: {}", text.trim())),
            Err(error) => (false, error.message),
        };
    }
    match catalog::listed(body) {
        Some(names) => (true, format!("its key is taken; it lists {} models", names.len())),
        None => (false, "its answer is no list of models".to_owned()),
    }
}

/// A provider may repeat what it refuses: the key, or a header of the account that is one.
fn without_key(message: &str, account: &Account) -> String {
    let headers = account.config.headers.iter().filter_map(|(_, value)| value.to_str().ok());
    let secrets = headers.chain([account.config.api_key.expose()]);
    secrets
        .filter(|secret| !secret.is_empty())
        .fold(message.to_owned(), |said, secret| said.replace(secret, COVER))
}
