//! One feature, translated with it and without it: what became of it.

use levity::dialects::{Dialect, Path, Quirks, Target};
use levity::ir::losses::Losses;
use levity::ir::seal::{Seal, SealKind, to_text, wrap_id};
use levity::translate::{Exchange, Translation};
use serde_json::{Value, json};

use crate::Feature;

/// What became of a feature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It arrives.
    Carried,
    /// It arrives, and a part of it is told as left out.
    Partly(Vec<String>),
    /// It does not arrive, and that is told.
    Dropped(Vec<String>),
    /// The request is refused: the field and the reason.
    Refused(String),
    /// It does not arrive and need not: why.
    Needless(String),
    /// Nothing of it arrives, and nothing is told.
    Silent,
    /// The account's dialect has nothing that it could be.
    Moot,
}

/// A model of each dialect: models of one provider differ, and these are the usual ones.
pub(crate) const fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => "gpt-5.4",
        Dialect::Anthropic => "claude-sonnet-4-5",
        Dialect::Gemini => "gemini-3-flash",
    }
}

const fn issuer(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "openai_chat/openai",
        Dialect::OpenAiResponses => "openai_responses/openai",
        Dialect::Anthropic => "anthropic/anthropic",
        Dialect::Gemini => "gemini/gemini",
    }
}

/// Says a feature of a client's request to an account.
pub(crate) fn request(client: Dialect, account: Dialect, feature: &Feature<'_>) -> Outcome {
    let Some(with) = sealed(&feature.with, account) else { return Outcome::Moot };
    match (say(client, account, &feature.without), say(client, account, &with)) {
        (Ok((_, before, lost_before)), Ok((_, after, lost))) => {
            outcome(feature, (&before, &lost_before), (&after, &lost))
        }
        // What it stands on may be refused already.
        (_, Err(why)) | (Err(why), _) => Outcome::Refused(why),
    }
}

/// Says a feature of an account's answer to a client.
pub(crate) fn answer(client: Dialect, account: Dialect, feature: &Feature<'_>) -> Outcome {
    let (translation, ..) = say(client, account, &question(client)).unwrap();
    let say = |answer: &Value| {
        let (bytes, losses, _) = translation.answer(answer.to_string().as_bytes()).unwrap();
        (bytes, losses)
    };
    let (before, lost_before) = say(&feature.without);
    let (after, lost) = say(&feature.with);
    outcome(feature, (&before, &lost_before), (&after, &lost))
}

/// What two translations, without a feature and with it, say of it.
fn outcome(feature: &Feature<'_>, without: (&[u8], &Losses), with: (&[u8], &Losses)) -> Outcome {
    let before: Vec<_> = without.1.names().collect();
    let lost = with.1.names().filter(|name| !before.contains(name));
    let lost: Vec<_> = lost.map(str::to_owned).collect();
    match (without.0 == with.0, lost.is_empty()) {
        (false, true) => Outcome::Carried,
        (false, false) => Outcome::Partly(lost),
        (true, false) => Outcome::Dropped(lost),
        (true, true) => {
            feature.needless.map_or(Outcome::Silent, |why| Outcome::Needless(why.to_owned()))
        }
    }
}

type Said = (Translation, Vec<u8>, Losses);

fn say(client: Dialect, account: Dialect, body: &Value) -> Result<Said, String> {
    // Gemini alone names the model in its path.
    let path = match client {
        Dialect::Gemini => Path { model: "asked", ..Path::default() },
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => Path::default(),
    };
    let target =
        Target { model: model(account), issuer: issuer(account), quirks: Quirks::default() };
    let exchange = Exchange { id: "req_table", created: 1_764_000_000 };
    let body = body.to_string();
    Translation::request(client, account, body.as_bytes(), path, (target, exchange))
        .map_err(|error| error.message)
}

/// A plain question.
fn question(client: Dialect) -> Value {
    let user = json!([{ "role": "user", "content": "Hi" }]);
    match client {
        Dialect::OpenAiChat => json!({ "model": "asked", "messages": user }),
        Dialect::OpenAiResponses => json!({ "model": "asked", "input": user }),
        Dialect::Anthropic => json!({ "model": "asked", "max_tokens": 1000, "messages": user }),
        Dialect::Gemini => json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }] }),
    }
}

/// A body with the account's own proofs in the places that are marked for them, as a client returns what it was given.
/// `None`: accounts of this dialect give no such proof.
fn sealed(body: &Value, account: Dialect) -> Option<Value> {
    let text = body.to_string();
    let marked = |mark: &str| text.contains(mark);
    let thought = match account {
        Dialect::OpenAiChat => (SealKind::Details, r#"[{"type":"reasoning.text","text":"Hm."}]"#),
        Dialect::OpenAiResponses => (SealKind::Reasoning, "gAAAAABproof"),
        Dialect::Anthropic => (SealKind::Reasoning, "EqQBproof="),
        Dialect::Gemini => (SealKind::Reasoning, "cHJvb2Y="),
    };
    let (kind, data) = if marked("$CALL") {
        match account {
            Dialect::OpenAiChat | Dialect::Gemini => (SealKind::Call, "cHJvb2Y="),
            Dialect::OpenAiResponses | Dialect::Anthropic => return None,
        }
    } else {
        thought
    };
    let seal = Seal { issuer: issuer(account).into(), kind, id: "rs_1".into(), data: data.into() };
    let seals = [seal];
    let id = wrap_id("call_1", &seals);
    let packed = to_text(&seals);
    let text = text
        .replace("$THOUGHT_ID", &id)
        .replace("$CALL_ID", &id)
        .replace("$THOUGHT", &packed)
        .replace("$CALL", &packed);
    Some(serde_json::from_str(&text).unwrap())
}
