//! The time, read once at the edge and passed down.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment on both clocks: the one that never jumps and the one that people write down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// For every interval that the gateway measures or waits.
    pub monotonic: Instant,
    /// For dates that a provider names and for the log.
    pub wall: SystemTime,
}

impl Now {
    /// Reads both clocks.
    pub fn read() -> Self {
        Self { monotonic: Instant::now(), wall: wall() }
    }

    /// The moment `later` on: how a simulated clock moves.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self {
            monotonic: add(self.monotonic, later),
            wall: self.wall.checked_add(later).unwrap_or(self.wall),
        }
    }

    /// The wall clock as a duration since 1970.
    pub fn since_epoch(self) -> Duration {
        self.wall.duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// The time that people write down.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// A duration in whole milliseconds, as they are written down.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The longest wait that is kept: what exceeds it is as good as for ever.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// `start` plus `delay`, without the panic that an absurd delay from outside would cause.
pub fn add(start: Instant, delay: Duration) -> Instant {
    start.checked_add(delay.min(LONGEST)).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absurd_delay_does_not_panic() {
        let now = Now::read();
        assert!(add(now.monotonic, Duration::MAX) > now.monotonic);
        assert!(now.after(Duration::from_secs(1)).wall > now.wall);
    }
}
