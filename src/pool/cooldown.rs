//! Whether something may be asked now: open → cooling → probing, as a state machine.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::clock;

/// Why something rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Too many requests or tokens in a short window.
    Rate,
    /// A day's, month's or purse's allowance is used up.
    Quota,
    /// The provider has too little capacity, whoever asks.
    Capacity,
    /// It failed: an error of the server, or no connection.
    Failure,
    /// It did not answer in time.
    Stall,
    /// It does not have the model.
    Missing,
    /// It refused the key.
    Rejected,
}

impl Cause {
    /// The cause in words, for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Rate => "rate limit",
            Self::Quota => "quota used up",
            Self::Capacity => "no capacity",
            Self::Failure => "failed",
            Self::Stall => "did not answer in time",
            Self::Missing => "does not have the model",
            Self::Rejected => "refused its key",
        }
    }

    /// The waits in seconds, from strike to strike, where the provider names none.
    const fn steps(self) -> &'static [u64] {
        match self {
            Self::Rate => &[1, 2, 4, 8, 16, 32, 60],
            // A purse may be filled at any time: worth one request an hour.
            Self::Quota => &[60, 300, 900, 1800, 3600],
            Self::Capacity | Self::Failure => &[1, 2, 5, 10, 30, 60],
            // Each try may cost a caller the whole first-byte timeout.
            Self::Stall => &[30, 60, 120, 300],
            Self::Missing => &[60, 300, 900, 3600],
            Self::Rejected => &[],
        }
    }

    /// A limit forbids even when we guess its length; other guesses only advise.
    const fn firm_when_guessed(self) -> bool {
        matches!(self, Self::Rate | Self::Quota)
    }
}

/// How long, as far as the provider said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until then: a fact, kept as given.
    Until(Instant),
    /// It did not say: back off by steps.
    Unknown,
}

/// What stands in the way of asking now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Open,
    /// Its time is over: one request may try it.
    Due,
    /// A guess advises against it until then; asked only when there is nothing better.
    Resting {
        /// Why.
        cause: Cause,
        /// When the advice ends.
        until: Instant,
    },
    /// Not to be asked.
    Barred {
        /// Why.
        cause: Cause,
        /// When that ends; `None`: when the owner changes something.
        until: Option<Instant>,
    },
}

/// While a probe has not been answered, one more request a second may try: an answer to the first
/// can take minutes, and until then the account may well be fine.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// One thing's state: pure, the time is a parameter.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cooldown {
    state: State,
    /// Strikes in a row without a success between them.
    strikes: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Open,
    Cooling(Rest),
    Probing {
        rest: Rest,
        asked: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    cause: Cause,
    hold: Hold,
    /// `None`: no time ends it.
    until: Option<Instant>,
}

/// A fact bars, a guess advises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Advised,
    Firm,
}

impl Rest {
    fn over(self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    fn standing(self, until: Option<Instant>) -> Standing {
        match (self.hold, until) {
            (Hold::Advised, Some(until)) => Standing::Resting { cause: self.cause, until },
            (Hold::Advised | Hold::Firm, until) => Standing::Barred { cause: self.cause, until },
        }
    }

    /// Of two rests at one time: the fact over the guess, then the longer.
    fn or(self, other: Self) -> Self {
        let longer = match (self.until, other.until) {
            (None, _) => true,
            (_, None) => false,
            (Some(own), Some(others)) => own >= others,
        };
        let own = match (self.hold, other.hold) {
            (Hold::Firm, Hold::Advised) => true,
            (Hold::Advised, Hold::Firm) => false,
            (Hold::Firm, Hold::Firm) | (Hold::Advised, Hold::Advised) => longer,
        };
        if own { self } else { other }
    }
}

/// A cooldown that forbids and has an end: what is worth keeping over a restart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rested {
    pub(super) cause: Cause,
    pub(super) until: Instant,
    pub(super) strikes: usize,
}

/// Whether a strike's request was sent after the last strike was known.
#[derive(Clone, Copy, Debug)]
pub(super) enum News {
    /// It was, or nothing was known.
    Fresh,
    /// It was under way already.
    Stale,
}

impl Cooldown {
    /// What stands in the way now.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.state {
            State::Open => Standing::Open,
            State::Cooling(rest) if rest.over(now) => Standing::Due,
            State::Cooling(rest) => rest.standing(rest.until),
            State::Probing { asked, .. } if clock::add(asked, PROBE_EVERY) <= now => Standing::Due,
            State::Probing { rest, asked } => rest.standing(Some(clock::add(asked, PROBE_EVERY))),
        }
    }

    fn rest(&self) -> Option<Rest> {
        match self.state {
            State::Open => None,
            State::Cooling(rest) | State::Probing { rest, .. } => Some(rest),
        }
    }

    /// What of it is worth keeping over a restart.
    pub(super) fn rested(&self, now: Instant) -> Option<Rested> {
        let rest = self.rest().filter(|rest| rest.hold == Hold::Firm && !rest.over(now))?;
        Some(Rested { cause: rest.cause, until: rest.until?, strikes: self.strikes })
    }

    /// The same as it was.
    pub(super) const fn restored(rested: Rested) -> Self {
        let Rested { cause, until, strikes } = rested;
        let rest = Rest { cause, hold: Hold::Firm, until: Some(until) };
        Self { state: State::Cooling(rest), strikes }
    }

    /// A request goes out to test it.
    pub(super) fn probe(&mut self, now: Instant) {
        if let Some(rest) = self.rest() {
            self.state = State::Probing { rest, asked: now };
        }
    }

    /// That request came back without an answer.
    pub(super) fn give_back(&mut self) {
        if let State::Probing { rest, .. } = self.state {
            self.state = State::Cooling(rest);
        }
    }

    /// An answer spoke against it.
    pub(super) fn strike(&mut self, cause: Cause, wait: Wait, news: News, now: Instant) {
        let before = self.rest();
        // Sixty-four requests in flight that hit one limit are one strike, not sixty-four.
        if matches!(news, News::Fresh) || before.is_none() {
            self.strikes = self.strikes.saturating_add(1);
        }
        let rest = rest(cause, wait, self.strikes, now);
        let current = before.filter(|before| !before.over(now));
        self.state = State::Cooling(current.map_or(rest, |current| rest.or(current)));
    }
}

/// What a strike comes to.
fn rest(cause: Cause, wait: Wait, strikes: usize, now: Instant) -> Rest {
    let steps = cause.steps();
    let step = steps.get(strikes.saturating_sub(1)).or_else(|| steps.last());
    let stepped = step.map(|seconds| clock::add(now, Duration::from_secs(*seconds)));
    match wait {
        // Google names half a minute for a daily quota too. The first time it is believed; when it
        // proved wrong the steps count as well, and never make it shorter.
        Wait::Until(until) if matches!(cause, Cause::Quota) && strikes > 1 => {
            Rest { cause, hold: Hold::Firm, until: Some(stepped.map_or(until, |to| to.max(until))) }
        }
        Wait::Until(until) => Rest { cause, hold: Hold::Firm, until: Some(until) },
        Wait::Unknown if stepped.is_none() || cause.firm_when_guessed() => {
            Rest { cause, hold: Hold::Firm, until: stepped }
        }
        Wait::Unknown => Rest { cause, hold: Hold::Advised, until: stepped },
    }
}
