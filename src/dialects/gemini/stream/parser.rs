//! An account's stream: every event a whole GenerateContentResponse.
//! <https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent>

use crate::dialects::Origin;
use crate::dialects::gemini::response::reader::Reader;
use crate::dialects::gemini::wire::response::Response;
use crate::ir::error::{Error, ErrorKind};
use crate::ir::event::Event;
use crate::ir::response::Finish;
use crate::sse;

/// Reads the stream.
#[derive(Debug)]
pub struct Parser {
    reader: Reader,
    is_done: bool,
}

impl Parser {
    /// A parser at the start of a stream.
    pub fn new(origin: Origin<'_>) -> Self {
        Self { reader: Reader::new(origin), is_done: false }
    }

    /// Feeds one event.
    pub fn push(&mut self, event: &sse::Event<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        let data = event.data.trim();
        // Other servers behind Google's protocol end with OpenAI's word.
        if self.is_done || data.is_empty() || data == "[DONE]" {
            return;
        }
        let chunks: Result<Vec<Response<'_>>, _> = if data.starts_with('[') {
            serde_json::from_str(data)
        } else {
            serde_json::from_str(data).map(|chunk| vec![chunk])
        };
        let read = chunks
            .map_err(|error| {
                let message = format!("the provider's stream holds no valid chunk: {error}");
                Error::new(ErrorKind::Internal, message)
            })
            .and_then(|chunks| {
                let mut each = |event: Event<'_>| each(&event);
                chunks.into_iter().try_for_each(|chunk| self.reader.push(chunk, &mut each))
            });
        if let Err(error) = read {
            self.fail(error, each);
        }
    }

    /// Ends the stream. A finish reason is its proper end: there is no other mark.
    pub fn finish(&mut self, each: &mut dyn FnMut(&Event<'_>)) {
        if self.is_done {
            return;
        }
        if let Some(failure) = self.reader.failure() {
            return self.fail(failure, each);
        }
        let finishes = self.reader.finishes();
        if finishes.iter().all(|(_, reason)| reason.is_none()) {
            let message = "the provider's stream broke off before a finish reason";
            return self.fail(Error::new(ErrorKind::Internal, message), each);
        }
        self.is_done = true;
        self.reader.close_all(&mut |event| each(&event));
        for (candidate, reason) in finishes {
            let reason = reason.unwrap_or(Finish::Other);
            each(&Event::Finish { candidate, reason });
        }
        each(&Event::End { usage: self.reader.usage() });
    }

    fn fail(&mut self, error: Error, each: &mut dyn FnMut(&Event<'_>)) {
        self.is_done = true;
        self.reader.start_empty(&mut |event| each(&event));
        self.reader.close_all(&mut |event| each(&event));
        each(&Event::Fail(error));
    }
}
