//! What is packed is unpacked as it was; anything else is left alone.
#![no_main]

use levity::ir::seal::{Seal, SealKind, from_text, to_text, unwrap_id, wrap_id};

const KINDS: [SealKind; 4] =
    [SealKind::Reasoning, SealKind::Redacted, SealKind::Call, SealKind::Details];

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = from_text(text);
    let (own, _) = unwrap_id(text);
    assert!(text.starts_with(own));

    let mut fields = text.split('\n');
    let mut seals = Vec::new();
    while let (Some(issuer), Some(id), Some(data)) = (fields.next(), fields.next(), fields.next()) {
        let kind = KINDS[issuer.len() & 3];
        seals.push(Seal { issuer: issuer.into(), kind, id: id.into(), data: data.into() });
    }
    if !seals.is_empty() {
        assert_eq!(from_text(&to_text(&seals)).as_ref(), Some(&seals));
        assert_eq!(unwrap_id(&wrap_id("call_1", &seals)), ("call_1", seals));
    }
});
