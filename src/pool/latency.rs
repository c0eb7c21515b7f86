//! How soon an account answers with one model: measured, and forgotten with time.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::spread::{Form, Spread};

/// The time to the first byte, averaged over the latest answers.
#[derive(Debug, Default)]
pub(super) struct Latency {
    measured: Mutex<Option<Measured>>,
    /// How the times of streams and of whole answers spread, where anybody asks for that.
    spreads: Mutex<[Option<Box<Spread>>; 2]>,
}

#[derive(Clone, Copy, Debug)]
struct Measured {
    average: Duration,
    at: Instant,
}

/// Without a new answer a measure counts half after this: an account that was slow gets another chance.
const HALF_LIFE: Duration = Duration::from_mins(1);
/// A measure that is older than this says nothing any more.
const FORGOTTEN: Duration = Duration::from_mins(10);

impl Latency {
    /// Takes in that an answer began so long after its request.
    pub(super) fn measure(&self, first_byte: Duration, now: Instant) {
        let mut measured = self.measured.lock();
        let average = match *measured {
            Some(Measured { average, at }) if now.saturating_duration_since(at) < FORGOTTEN => {
                // A third for the newest: one odd answer is not the rule, three in a row are.
                average * 2 / 3 + first_byte / 3
            }
            Some(_) | None => first_byte,
        };
        *measured = Some(Measured { average, at: now });
    }

    /// Takes in how soon an answer of this form began, for `usual`.
    pub(super) fn note(&self, form: Form, first_byte: Duration, now: Instant) {
        let [stream, whole] = &mut *self.spreads.lock();
        let spread = match form {
            Form::Stream => stream,
            Form::Whole => whole,
        };
        spread.get_or_insert_with(|| Box::new(Spread::new(now))).add(first_byte, now);
    }

    /// Adds how the times of this form spread to what is known of others.
    pub(super) fn add_to(&self, all: &mut Spread, form: Form, now: Instant) {
        if let Some(spread) = spread_of(&self.spreads.lock(), form) {
            all.add_all(spread, now);
        }
    }

    /// The time within which so many of a hundred answers of this form began; `None` where too few were noted.
    pub(super) fn usual(&self, form: Form, percentile: u8, now: Instant) -> Option<Duration> {
        spread_of(&self.spreads.lock(), form)?.percentile(percentile, now)
    }

    /// What to expect now, in microseconds; 0 where nothing is known.
    pub(super) fn expected(&self, now: Instant) -> u64 {
        let Some(Measured { average, at }) = *self.measured.lock() else { return 0 };
        let age = now.saturating_duration_since(at);
        if age >= FORGOTTEN {
            return 0;
        }
        let halvings = age.as_secs() / HALF_LIFE.as_secs();
        u64::try_from(average.as_micros()).unwrap_or(u64::MAX) >> halvings
    }
}

fn spread_of([stream, whole]: &[Option<Box<Spread>>; 2], form: Form) -> Option<&Spread> {
    let spread = match form {
        Form::Stream => stream,
        Form::Whole => whole,
    };
    spread.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_and_fades() {
        let (latency, now) = (Latency::default(), Instant::now());
        assert_eq!(latency.expected(now), 0);
        latency.measure(Duration::from_millis(300), now);
        assert_eq!(latency.expected(now), 300_000);
        latency.measure(Duration::from_millis(600), now);
        assert_eq!(latency.expected(now), 400_000);
        assert_eq!(latency.expected(now + Duration::from_secs(125)), 100_000);
        assert_eq!(latency.expected(now + FORGOTTEN), 0);
    }
}
