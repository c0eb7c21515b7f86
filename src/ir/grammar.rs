//! Is this sequence of events a stream? The checker of the grammar in `event`, for tests.

use super::event::{Delta, Event, Opening};

/// Follows one stream. A `Fail` may come at any time, also before `Start` and inside a block: what was cut off must not
/// look whole.
#[derive(Debug, Default)]
pub struct Checker {
    started: bool,
    ended: bool,
    open: Option<Open>,
    /// The candidates that have a block or a finish, and whether the finish has come.
    candidates: Vec<(u32, bool)>,
}

/// The open block: which deltas it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Refusal,
    Reasoning { sealed: bool },
    Call { sealed: bool },
    Whole,
}

impl Checker {
    /// A checker at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next event, or says what is wrong with it.
    pub fn push(&mut self, event: &Event<'_>) -> Result<(), String> {
        if self.ended {
            return Err(format!("{event:?} after the end"));
        }
        match event {
            Event::Start { .. } if self.started => Err("a second Start".to_owned()),
            Event::Start { .. } => {
                self.started = true;
                Ok(())
            }
            Event::Fail(_) => {
                self.ended = true;
                Ok(())
            }
            event if !self.started => Err(format!("{event:?} before Start")),
            Event::Open { candidate, block } => self.open(*candidate, block),
            Event::Delta(delta) => self.delta(delta),
            Event::Close => self.open.take().map(drop).ok_or_else(|| "nothing to close".to_owned()),
            Event::Finish { candidate, .. } => self.finished(*candidate),
            Event::End { .. } => self.end(),
        }
    }

    /// Says whether the stream is whole.
    pub fn finish(self) -> Result<(), String> {
        if self.ended { Ok(()) } else { Err("no End and no Fail".to_owned()) }
    }

    fn open(&mut self, candidate: u32, block: &Opening<'_>) -> Result<(), String> {
        if self.open.is_some() {
            return Err("Open while a block is open".to_owned());
        }
        match self.candidates.iter().find(|(known, _)| *known == candidate) {
            Some((_, true)) => {
                return Err(format!("a block of candidate {candidate} after its end"));
            }
            Some((_, false)) => {}
            None => self.candidates.push((candidate, false)),
        }
        self.open = Some(match block {
            Opening::Text => Open::Text,
            Opening::Refusal => Open::Refusal,
            Opening::Reasoning => Open::Reasoning { sealed: false },
            Opening::ToolCall { id, name, .. } if id.is_empty() || name.is_empty() => {
                return Err("a call without id or name".to_owned());
            }
            Opening::ToolCall { seal, .. } => Open::Call { sealed: seal.is_some() },
            Opening::Image { .. } | Opening::Audio { .. } | Opening::Hosted(_) => Open::Whole,
        });
        Ok(())
    }

    fn delta(&mut self, delta: &Delta<'_>) -> Result<(), String> {
        match (delta, &mut self.open) {
            (Delta::Text(_), Some(Open::Text | Open::Refusal | Open::Reasoning { .. }))
            | (Delta::Arguments(_), Some(Open::Call { .. }))
            | (Delta::Citation(_) | Delta::Logprobs(_), Some(Open::Text)) => Ok(()),
            (Delta::Seal(_), Some(Open::Reasoning { sealed } | Open::Call { sealed }))
                if !*sealed =>
            {
                *sealed = true;
                Ok(())
            }
            (delta, open) => Err(format!("{delta:?} in {open:?}")),
        }
    }

    fn finished(&mut self, candidate: u32) -> Result<(), String> {
        if self.open.is_some() {
            return Err("Finish while a block is open".to_owned());
        }
        match self.candidates.iter_mut().find(|(known, _)| *known == candidate) {
            Some((_, true)) => return Err(format!("candidate {candidate} finishes twice")),
            Some((_, finished)) => *finished = true,
            None => self.candidates.push((candidate, true)),
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        if self.open.is_some() {
            return Err("End while a block is open".to_owned());
        }
        if self.candidates.is_empty() || self.candidates.iter().any(|(_, finished)| !finished) {
            return Err("End without a Finish for each candidate".to_owned());
        }
        self.ended = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::error::{Error, ErrorKind};
    use crate::ir::response::Finish;

    fn check(events: &[Event<'_>]) -> Result<(), String> {
        let mut checker = Checker::new();
        for event in events {
            checker.push(event)?;
        }
        checker.finish()
    }

    fn start() -> Event<'static> {
        Event::Start { id: "1".into(), model: "m".into(), created: None, usage: None }
    }

    fn open(candidate: u32) -> Event<'static> {
        Event::Open { candidate, block: Opening::Text }
    }

    const FINISH: Event<'static> = Event::Finish { candidate: 0, reason: Finish::Stop };
    const END: Event<'static> = Event::End { usage: None };

    fn text() -> Event<'static> {
        Event::Delta(Delta::Text("a".into()))
    }

    fn fail() -> Event<'static> {
        Event::Fail(Error::new(ErrorKind::Internal, "x"))
    }

    #[test]
    fn legal() {
        assert_eq!(check(&[start(), open(0), text(), Event::Close, FINISH, END]), Ok(()));
        assert_eq!(check(&[start(), FINISH, END]), Ok(()));
        assert_eq!(check(&[start(), open(0), text(), fail()]), Ok(()));
        assert_eq!(check(&[fail()]), Ok(()));
    }

    #[test]
    fn illegal() {
        let cases: &[&[Event<'_>]] = &[
            &[],
            &[start()],
            &[FINISH],
            &[start(), start()],
            &[start(), END],
            &[start(), text()],
            &[start(), Event::Close],
            &[start(), open(0), open(0)],
            &[start(), open(0), FINISH],
            &[start(), open(0), Event::Close, END],
            &[start(), FINISH, FINISH],
            &[start(), FINISH, open(0)],
            &[start(), open(1), Event::Close, FINISH, END],
            &[start(), FINISH, END, END],
            &[start(), FINISH, END, fail()],
            &[start(), open(0), Event::Delta(Delta::Arguments("{}".into()))],
        ];
        for case in cases {
            assert!(check(case).is_err(), "{case:?}");
        }
    }
}
