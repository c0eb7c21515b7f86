//! How the times to an answer's beginning spread: how late is later than most, forgotten with time.

use std::time::{Duration, Instant};

/// Times fall into buckets of growing width, each a twelfth wider than the one before it.
const PER_OCTAVE: f64 = 8.0;
/// They begin at a millisecond and end at a quarter of an hour.
const BUCKETS: u16 = 160;
/// After this an answer counts half.
const HALF_LIFE: Duration = Duration::from_mins(30);
/// When so many count, all count half: what is measured now shows soon.
const MOST: f32 = 1000.0;
/// Fewer answers than this say nothing of the latest ones among them.
const FEWEST: f32 = 20.0;

/// The times of the latest answers.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    counts: [f32; BUCKETS as usize],
    total: f32,
    halved: Instant,
}

/// In which form an answer comes: one that is no stream begins when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As a stream.
    Stream,
    /// In one piece.
    Whole,
}

impl Spread {
    /// Nothing measured yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self { counts: [0.0; BUCKETS as usize], total: 0.0, halved: now }
    }

    /// Takes in that an answer began after this time.
    pub(super) fn add(&mut self, time: Duration, now: Instant) {
        let halvings = self.halvings(now);
        if halvings > 0 {
            self.weaken(0.5_f32.powi(halvings));
            self.halved = now;
        }
        if self.total >= MOST {
            self.weaken(0.5);
        }
        if let Some(count) = self.counts.get_mut(bucket(time)) {
            *count += 1.0;
            self.total += 1.0;
        }
    }

    /// Takes in what another one has measured.
    pub(super) fn add_all(&mut self, other: &Self, now: Instant) {
        let weight = 0.5_f32.powi(other.halvings(now));
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more * weight;
        }
        self.total += other.total * weight;
    }

    /// The time within which so many of a hundred answers began, within a tenth; `None` where too few were measured.
    pub(super) fn percentile(&self, percentile: u8, now: Instant) -> Option<Duration> {
        if self.total * 0.5_f32.powi(self.halvings(now)) < FEWEST {
            return None;
        }
        let wanted = self.total * f32::from(percentile) / 100.0;
        let mut sooner = 0.0;
        let mut buckets = (0..BUCKETS).zip(self.counts);
        let found = buckets.find(|(_, count)| {
            sooner += count;
            sooner >= wanted
        });
        Some(end_of(found.map_or(BUCKETS, |(bucket, _)| bucket)))
    }

    fn halvings(&self, now: Instant) -> i32 {
        let halvings = now.saturating_duration_since(self.halved).as_secs() / HALF_LIFE.as_secs();
        i32::try_from(halvings).unwrap_or(i32::MAX).min(100)
    }

    fn weaken(&mut self, weight: f32) {
        self.counts.iter_mut().for_each(|count| *count *= weight);
        self.total = self.counts.iter().sum();
    }
}

/// Where a time falls.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is at least 0 and below the number of buckets"
)]
fn bucket(time: Duration) -> usize {
    let milliseconds = (time.as_secs_f64() * 1000.0).max(1.0);
    (milliseconds.log2() * PER_OCTAVE).min(f64::from(BUCKETS - 1)) as usize
}

/// The longest time of a bucket.
fn end_of(bucket: u16) -> Duration {
    let octaves = f64::from(bucket + 1) / PER_OCTAVE;
    Duration::from_secs_f64(octaves.exp2() / 1000.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[u64], now: Instant) -> Spread {
        let mut spread = Spread::new(now);
        for time in times {
            spread.add(Duration::from_millis(*time), now);
        }
        spread
    }

    fn milliseconds(time: Option<Duration>) -> Option<u128> {
        time.map(|time| time.as_millis())
    }

    #[test]
    fn a_few_answers_say_nothing() {
        let now = Instant::now();
        assert_eq!(of(&[100; 19], now).percentile(95, now), None);
        let known = milliseconds(of(&[100; 20], now).percentile(95, now)).unwrap();
        assert!((100..110).contains(&known), "{known}");
    }

    #[test]
    fn few_late_answers_do_not_move_the_middle() {
        let now = Instant::now();
        let times = [vec![200; 90], vec![5000; 10]].concat();
        let spread = of(&times, now);
        let [middle, late] = [50, 95].map(|at| milliseconds(spread.percentile(at, now)).unwrap());
        assert!((200..220).contains(&middle) && (5000..5500).contains(&late), "{middle} {late}");
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_place() {
        let now = Instant::now();
        let spread = of(&[[0; 20], [86_400_000; 20]].concat(), now);
        assert!(spread.percentile(50, now).unwrap() <= Duration::from_millis(2));
        assert!(spread.percentile(99, now).unwrap() >= Duration::from_mins(15));
    }

    #[test]
    fn what_was_measured_long_ago_is_forgotten() {
        let now = Instant::now();
        let mut spread = of(&[100; 79], now);
        assert!(spread.percentile(95, now + HALF_LIFE).is_some());
        assert_eq!(spread.percentile(95, now + HALF_LIFE * 2), None);
        spread.add(Duration::from_secs(1), now + HALF_LIFE * 10_000);
        assert!(spread.total < 1.1, "{}", spread.total);
    }

    #[test]
    fn what_is_measured_now_shows_soon() {
        let now = Instant::now();
        let mut spread = of(&[100; 1500], now);
        for _ in 0..1000 {
            spread.add(Duration::from_secs(3), now);
        }
        assert!(spread.percentile(50, now).unwrap() >= Duration::from_secs(3));
    }

    #[test]
    fn several_are_one() {
        let now = Instant::now();
        let mut all = of(&[100; 10], now);
        all.add_all(&of(&[1000; 10], now), now);
        assert!(milliseconds(all.percentile(99, now)) >= Some(1000));
        assert!(milliseconds(all.percentile(50, now)) < Some(110));
    }

    proptest! {
        /// Against the exact percentile of the same times: never sooner, and at most a tenth later.
        #[test]
        fn a_percentile_is_within_a_tenth(
            times in proptest::collection::vec(1_u32..600_000, 20..500),
            percentile in 50_u8..=99,
        ) {
            let now = Instant::now();
            let milliseconds: Vec<u64> = times.iter().map(|time| u64::from(*time)).collect();
            let found = of(&milliseconds, now).percentile(percentile, now).unwrap();
            let found = found.as_secs_f64() * 1000.0;
            let mut sorted = times;
            sorted.sort_unstable();
            let at = (sorted.len() * usize::from(percentile)).div_ceil(100) - 1;
            let exact = f64::from(sorted[at]);
            prop_assert!(found >= exact * 0.999 && found <= exact * 1.1 + 1.0, "{found} {exact}");
        }
    }
}
