//! No input makes a parser panic.

use proptest::prelude::*;

use crate::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = anthropic::request::parse(&bytes, Path::default());
        let _ = anthropic::response::parse(&bytes, ORIGIN);
        let _ = anthropic::error::parse(500, &bytes);
        events(&bytes, b"", |_| {});
    }

    /// Valid pieces, cut out and put together anyhow.
    #[test]
    fn spliced(from in 0..STREAM.len(), to in 0..STREAM.len(), at in 0..REQUEST.len()) {
        let (head, tail) = (&STREAM.as_bytes()[..from], &STREAM.as_bytes()[to..]);
        events(head, tail, |_| {});
        let mut request = REQUEST.as_bytes().to_vec();
        request.remove(at);
        if let Ok(mut request) = anthropic::request::parse(&request, Path::default()) {
            rendered(&mut request);
        }
    }
}
