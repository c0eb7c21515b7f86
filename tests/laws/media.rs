//! Media keep their bytes, whatever type a client gives them.

use levity::dialects::{self, Dialect, Path, Quirks};
use levity::translate::{Exchange, Translation};

use super::issuer;

/// A picture of an odd type, as a client of each dialect says it.
const ODD: [(Dialect, &str); 4] = [
    (
        Dialect::OpenAiChat,
        r#"{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/a%2Cb;base64,iVBORw0KGgo="}}]}]}"#,
    ),
    (
        Dialect::OpenAiResponses,
        r#"{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/a%2Cb;base64,iVBORw0KGgo="}]}]}"#,
    ),
    (
        Dialect::Anthropic,
        r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/a,b","data":"iVBORw0KGgo="}}]}]}"#,
    ),
    (
        Dialect::Gemini,
        r#"{"contents":[{"role":"user","parts":[{"inlineData":{"mimeType":"image/a,b","data":"iVBORw0KGgo="}}]}]}"#,
    ),
];

fn said(client: Dialect, body: &str, account: Dialect) -> Result<String, String> {
    let target =
        dialects::Target { model: "m", issuer: issuer(account), quirks: Quirks::default() };
    let exchange = Exchange { id: "x", created: 1 };
    let path = Path { model: "m", ..Path::default() };
    Translation::request(client, account, body.as_bytes(), path, (target, exchange))
        .map(|(_, out, _)| String::from_utf8(out).unwrap())
        .map_err(|error| error.message)
}

#[test]
fn a_comma_in_a_type_does_not_end_it() {
    for (client, body) in ODD {
        // Anthropic takes four types of pictures, and no others.
        for account in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Gemini] {
            let out = said(client, body, account).unwrap();
            let path = Path { model: "m", ..Path::default() };
            let again = dialects::parse_request(account, out.as_bytes(), path);
            let again = format!("{:?}", again.unwrap());
            assert!(again.contains(r#"Base64("iVBORw0KGgo=")"#), "{client} {account}: {out}");
        }
    }
}

#[test]
fn an_address_whose_first_comma_stands_in_its_type_is_refused() {
    for (client, body) in &ODD[..2] {
        let body = body.replace("%2C", ",");
        assert!(said(*client, &body, Dialect::Gemini).is_err(), "{client}");
    }
}
