//! Requests: what a dialect does not say that it lost, it keeps.

use proptest::prelude::*;

use crate::exchange::{Kind, ask, fixtures, target};
use crate::{any, said};
use levity::dialects::tools::Toolbox;
use levity::dialects::{self, Dialect, Path};
use levity::ir::losses::Losses;
use levity::ir::request::Request;
use levity::ir::tidy::tidy;
use serde_json::Value;

const PATH: Path<'static> = Path { model: "m", stream: false, array_stream: false };

fn written(dialect: Dialect, request: &Request<'_>) -> (Vec<u8>, Losses) {
    let mut out = Vec::new();
    let toolbox = Toolbox::new(request, dialect);
    let losses =
        dialects::render_request(dialect, request, target(dialect, "m"), &toolbox, &mut out);
    (out, losses)
}

/// What a body says, read by its own dialect.
fn read(dialect: Dialect, body: &[u8], stream: bool) -> Value {
    let path = Path { stream, ..PATH };
    let mut request = dialects::parse_request(dialect, body, path).unwrap();
    tidy(&mut request);
    said::request(&request)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_not_told_as_lost_is_kept(mut request in any::request()) {
        tidy(&mut request);
        for dialect in Dialect::ALL {
            let (body, losses) = written(dialect, &request);
            if losses.is_empty() {
                let heard = read(dialect, &body, request.stream);
                prop_assert_eq!(heard, said::request(&request), "{}", dialect);
            }
        }
    }

    #[test]
    fn the_conversation_is_kept_whatever_is_lost_beside_it(mut request in any::request()) {
        tidy(&mut request);
        for dialect in Dialect::ALL {
            let (body, losses) = written(dialect, &request);
            if losses.refused.is_empty() {
                let heard = read(dialect, &body, request.stream);
                let asked = said::request(&request);
                prop_assert_eq!(&heard["turns"], &asked["turns"], "{}", dialect);
                prop_assert_eq!(&heard["choice"], &asked["choice"], "{}", dialect);
            }
        }
    }
}

#[test]
fn every_fixture_is_a_request_to_every_account() {
    for fixture in fixtures().iter().filter(|fixture| fixture.kind == Kind::Request) {
        for account in Dialect::ALL {
            match ask(fixture.dialect, account, &fixture.body) {
                Ok((_, body, _)) => {
                    read(account, &body, false);
                }
                Err(error) => assert!(error.param.is_some(), "{error:?}"),
            }
        }
    }
}
