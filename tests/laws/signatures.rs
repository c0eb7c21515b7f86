//! A call's signature goes back to the account that wrote it, and is named as dropped everywhere else.

use levity::dialects::tools::Toolbox;
use levity::dialects::{self, Dialect, Path, Quirks, Target};
use levity::ir::losses::Losses;
use levity::ir::seal::{Seal, SealKind, wrap_id};

use super::issuer;

/// A Chat client's second turn: it sends a call back under the id that it was given.
fn written(seal: Option<&Seal<'_>>, dialect: Dialect) -> (String, Losses) {
    let id = wrap_id("call_1", seal.map(std::slice::from_ref).unwrap_or_default());
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"x"}},
        {{"role":"assistant","tool_calls":[{{"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}]}},
        {{"role":"tool","tool_call_id":"{id}","content":"y"}}]}}"#
    );
    let request =
        dialects::parse_request(Dialect::OpenAiChat, body.as_bytes(), Path::default()).unwrap();
    let target =
        Target { model: "gemini-3-pro", issuer: issuer(dialect), quirks: Quirks::default() };
    let toolbox = Toolbox::new(&request, dialect);
    let mut out = Vec::new();
    let losses = dialects::render_request(dialect, &request, target, &toolbox, &mut out);
    (String::from_utf8(out).unwrap(), losses)
}

fn call_seal(issuer: &'static str) -> Seal<'static> {
    Seal { issuer: issuer.into(), kind: SealKind::Call, id: "".into(), data: "U0lHTkVE".into() }
}

#[test]
fn what_an_account_did_not_sign_is_named_as_dropped() {
    for dialect in Dialect::ALL {
        let (body, losses) = written(Some(&call_seal("another/account")), dialect);
        assert!(losses.dropped.contains("thought_signature"), "{dialect:?}: {losses:?}");
        assert!(!body.contains("U0lHTkVE"), "{dialect:?}: {body}");
        let (_, losses) = written(None, dialect);
        assert!(!losses.dropped.contains("thought_signature"), "{dialect:?}: {losses:?}");
    }
}

#[test]
fn what_an_account_signed_goes_back_to_it() {
    for dialect in [Dialect::OpenAiChat, Dialect::Gemini] {
        let (body, losses) = written(Some(&call_seal(issuer(dialect))), dialect);
        assert!(body.contains("U0lHTkVE"), "{dialect:?}: {body}");
        assert!(losses.is_empty(), "{dialect:?}: {losses:?}");
    }
}
