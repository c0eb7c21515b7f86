//! A cooldown that many threads look at, and what each took from its look.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use super::cooldown::{Cause, Cooldown, News, Rested, Standing, Wait};

/// A cooldown behind a lock, and one atomic word that says whether there is anything to lock for.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// The number of strikes ever, doubled; odd while it is not open.
    word: AtomicU64,
    cooldown: Mutex<Cooldown>,
}

/// What a request holds of a gate that it went through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    /// The strikes that were known then.
    strikes_seen: u64,
    entry: Entry,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    Open,
    Probe,
}

impl Ticket {
    /// The same, when its probe has been answered.
    pub(super) const fn answered(self) -> Self {
        Self { entry: Entry::Open, ..self }
    }
}

impl Gate {
    /// Whether nothing at all was said against it.
    pub(super) fn is_open(&self) -> bool {
        is_open(self.word.load(Ordering::Acquire))
    }

    /// What stands in the way now.
    pub(super) fn standing(&self, now: Instant) -> Standing {
        if is_open(self.word.load(Ordering::Acquire)) {
            return Standing::Open;
        }
        self.cooldown.lock().standing(now)
    }

    /// Goes through, as the probe where one is due; `None` when barred.
    pub(super) fn enter(&self, now: Instant) -> Option<Ticket> {
        let word = self.word.load(Ordering::Acquire);
        if is_open(word) {
            return Some(Ticket { strikes_seen: word >> 1, entry: Entry::Open });
        }
        let mut cooldown = self.cooldown.lock();
        let strikes_seen = self.word.load(Ordering::Acquire) >> 1;
        match cooldown.standing(now) {
            // Advice only orders the choice; who comes here all the same found nothing better.
            Standing::Open | Standing::Resting { .. } => {
                Some(Ticket { strikes_seen, entry: Entry::Open })
            }
            Standing::Due => {
                cooldown.probe(now);
                Some(Ticket { strikes_seen, entry: Entry::Probe })
            }
            Standing::Barred { .. } => None,
        }
    }

    /// The answer spoke against it.
    pub(super) fn strike(&self, ticket: Ticket, cause: Cause, wait: Wait, now: Instant) {
        let mut cooldown = self.cooldown.lock();
        let strikes = self.word.load(Ordering::Acquire) >> 1;
        let news = if ticket.strikes_seen == strikes { News::Fresh } else { News::Stale };
        cooldown.strike(cause, wait, news, now);
        self.word.store((strikes + 1) << 1 | 1, Ordering::Release);
    }

    /// The answer spoke for it. What was said against it after this request was sent stays.
    pub(super) fn clear(&self, ticket: Ticket) {
        let closed = ticket.strikes_seen << 1 | 1;
        if self.word.load(Ordering::Acquire) != closed {
            return;
        }
        let mut cooldown = self.cooldown.lock();
        if self.word.load(Ordering::Acquire) == closed {
            *cooldown = Cooldown::default();
            self.word.store(closed ^ 1, Ordering::Release);
        }
    }

    /// What of it is worth keeping over a restart.
    pub(super) fn rested(&self, now: Instant) -> Option<Rested> {
        self.cooldown.lock().rested(now)
    }

    /// Closes it as it was before a restart.
    pub(super) fn restore(&self, rested: Rested) {
        let mut cooldown = self.cooldown.lock();
        let strikes = self.word.load(Ordering::Acquire) >> 1;
        *cooldown = Cooldown::restored(rested);
        self.word.store((strikes + 1) << 1 | 1, Ordering::Release);
    }

    /// The owner spoke for it. Requests under way may still speak against it.
    pub(super) fn reset(&self) {
        let mut cooldown = self.cooldown.lock();
        *cooldown = Cooldown::default();
        self.word.fetch_and(!1, Ordering::AcqRel);
    }

    /// The answer said nothing: a probe leaves its place to the next request.
    pub(super) fn give_back(&self, ticket: Ticket) {
        if ticket.entry == Entry::Probe {
            self.cooldown.lock().give_back();
        }
    }
}

const fn is_open(word: u64) -> bool {
    word & 1 == 0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn bars(gate: &Gate, now: Instant) -> bool {
        matches!(gate.standing(now), Standing::Barred { .. })
    }

    #[test]
    fn a_given_time_is_kept_then_one_probe_goes_out() {
        let (gate, start) = (Gate::default(), Instant::now());
        let ticket = gate.enter(start).unwrap();
        gate.strike(ticket, Cause::Rate, Wait::Until(start + seconds(90_000)), start);
        assert!(gate.enter(start + seconds(89_999)).is_none());
        let due = start + seconds(90_000);
        assert_eq!(gate.standing(due), Standing::Due);
        let probe = gate.enter(due).unwrap();
        assert!(gate.enter(due).is_none(), "one probe, not a herd");
        gate.give_back(probe);
        let probe = gate.enter(due).unwrap();
        gate.clear(probe);
        assert_eq!(gate.standing(due), Standing::Open);
    }

    #[test]
    fn an_unanswered_probe_lets_one_more_through_each_second() {
        let (gate, start) = (Gate::default(), Instant::now());
        gate.strike(gate.enter(start).unwrap(), Cause::Rate, Wait::Until(start), start);
        assert!(gate.enter(start).is_some());
        assert!(gate.enter(start + Duration::from_millis(999)).is_none());
        assert!(gate.enter(start + seconds(1)).is_some());
        assert!(gate.enter(start + seconds(1)).is_none());
    }

    #[test]
    fn an_unknown_limit_backs_off_by_steps_and_a_success_starts_over() {
        let (gate, mut now) = (Gate::default(), Instant::now());
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            let ticket = gate.enter(now).unwrap();
            gate.strike(ticket, Cause::Rate, Wait::Unknown, now);
            assert!(bars(&gate, now + Duration::from_millis(expected * 1000 - 1)));
            now += seconds(expected);
            assert_eq!(gate.standing(now), Standing::Due);
        }
        gate.clear(gate.enter(now).unwrap());
        gate.strike(gate.enter(now).unwrap(), Cause::Rate, Wait::Unknown, now);
        assert_eq!(gate.standing(now + seconds(1)), Standing::Due);
    }

    #[test]
    fn requests_in_flight_together_are_one_strike() {
        let (gate, now) = (Gate::default(), Instant::now());
        let tickets: Vec<Ticket> = (0..64).map(|_| gate.enter(now).unwrap()).collect();
        for ticket in tickets {
            gate.strike(ticket, Cause::Rate, Wait::Unknown, now);
        }
        assert_eq!(gate.standing(now + seconds(1)), Standing::Due);
    }

    #[test]
    fn a_success_of_an_older_request_disproves_nothing() {
        let (gate, now) = (Gate::default(), Instant::now());
        let (early, late) = (gate.enter(now).unwrap(), gate.enter(now).unwrap());
        gate.strike(late, Cause::Rate, Wait::Until(now + seconds(5)), now);
        gate.clear(early);
        assert!(bars(&gate, now));
    }

    #[test]
    fn a_guess_about_a_failure_only_advises() {
        let (gate, now) = (Gate::default(), Instant::now());
        gate.strike(gate.enter(now).unwrap(), Cause::Failure, Wait::Unknown, now);
        assert!(matches!(gate.standing(now), Standing::Resting { .. }));
        assert!(gate.enter(now).is_some());
    }

    #[test]
    fn a_rejection_has_no_end() {
        let (gate, now) = (Gate::default(), Instant::now());
        gate.strike(gate.enter(now).unwrap(), Cause::Rejected, Wait::Unknown, now);
        assert!(gate.enter(now + seconds(1_000_000)).is_none());
    }

    #[test]
    fn a_fact_outlasts_a_guess_and_the_longer_of_two_facts_wins() {
        let (gate, now) = (Gate::default(), Instant::now());
        let tickets: Vec<Ticket> = (0..3).map(|_| gate.enter(now).unwrap()).collect();
        gate.strike(tickets[0], Cause::Rate, Wait::Until(now + seconds(60)), now);
        gate.strike(tickets[1], Cause::Rate, Wait::Until(now + seconds(5)), now);
        gate.strike(tickets[2], Cause::Stall, Wait::Unknown, now);
        assert!(bars(&gate, now + seconds(59)));
        assert_eq!(gate.standing(now + seconds(60)), Standing::Due);
    }

    #[test]
    fn a_daily_quota_with_a_short_delay_is_believed_once() {
        let (gate, mut now) = (Gate::default(), Instant::now());
        for expected in [22, 300, 900] {
            let wait = Wait::Until(now + seconds(22));
            gate.strike(gate.enter(now).unwrap(), Cause::Quota, wait, now);
            assert!(bars(&gate, now + seconds(expected - 1)));
            now += seconds(expected);
            assert_eq!(gate.standing(now), Standing::Due);
        }
    }
}
