//! Answers: told whole or as a stream, they say the same to every client.

use proptest::prelude::*;

use crate::{any, folded, origin, said, streamed, whole};
use levity::dialects::{self, Dialect};
use levity::ir::fold::{Folder, unfold};
use levity::ir::losses::Losses;
use levity::ir::response::Response;
use levity::ir::usage::Usage;

/// What a client of this dialect can be told of an answer's cost.
fn told(client: Dialect, usage: Usage) -> Usage {
    match client {
        Dialect::Gemini => Usage { cache_write: 0, ..usage },
        Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Anthropic => usage,
    }
}

fn says_the_same(
    client: Dialect,
    heard: &Response<'_>,
    response: &Response<'_>,
) -> Result<(), TestCaseError> {
    let (mut expected, got) = (said::answer(response), said::answer(heard));
    if matches!(client, Dialect::OpenAiResponses | Dialect::Anthropic) {
        expected.truncate(1);
    }
    prop_assert_eq!(got, expected, "{}", client);
    prop_assert_eq!(heard.usage, response.usage.map(|usage| told(client, usage)), "{}", client);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn fold_of_unfold_is_the_same(response in any::response()) {
        let mut folder = Folder::new();
        unfold(&response, &mut |event| folder.push(event));
        prop_assert_eq!(format!("{:?}", folder.finish().unwrap()), format!("{response:?}"));
    }

    #[test]
    fn a_whole_answer_written_and_read_says_the_same(response in any::response()) {
        for client in Dialect::ALL {
            let (body, _) = whole(client, &response);
            let heard = dialects::parse_response(client, &body, origin(client)).unwrap();
            says_the_same(client, &heard, &response)?;
        }
    }

    #[test]
    fn a_stream_written_and_read_says_the_same(response in any::response()) {
        for client in Dialect::ALL {
            let (body, losses) = streamed(client, &response);
            says_the_same(client, &folded(client, &[&body]).unwrap(), &response)?;
            let (_, of_whole) = whole(client, &response);
            if response.candidates.len() == 1 {
                prop_assert_eq!(losses, of_whole, "{}", client);
            } else {
                let told = |losses: &Losses| losses.dropped.contains("n");
                prop_assert_eq!(told(&losses), told(&of_whole), "{}", client);
            }
        }
    }

    #[test]
    fn what_was_said_to_a_client_comes_back(response in any::response()) {
        // Written a second time, nothing changes any more.
        for client in Dialect::ALL {
            let (first, _) = whole(client, &response);
            let heard = dialects::parse_response(client, &first, origin(client)).unwrap();
            let (second, _) = whole(client, &heard);
            let again = dialects::parse_response(client, &second, origin(client)).unwrap();
            prop_assert_eq!(said::answer(&again), said::answer(&heard), "{}", client);
            prop_assert_eq!(again.usage, heard.usage, "{}", client);
        }
    }
}
