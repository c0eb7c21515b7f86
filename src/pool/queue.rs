//! How many requests ask at once, and who waits for a place: first come, first served, in a line for each model.
//!
//! ```text
//! admit ─▶ lease ─▶ …            a place is free
//! join ─▶ first in line ─▶ called when a place comes free ─▶ admit, lease
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Reach;
use crate::dialects::Dialect;

/// Who asks and who waits. A reload keeps it.
#[derive(Debug, Default)]
pub struct Queue {
    admitted: AtomicU32,
    waiting: AtomicUsize,
    lines: Mutex<Lines>,
}

/// Requests that compete for the same accounts.
type Line = (Arc<str>, Dialect, Reach);

#[derive(Debug, Default)]
struct Lines {
    /// The number of the next who comes.
    next: u64,
    lines: HashMap<Line, VecDeque<(u64, Arc<Notify>)>>,
}

/// A request's place in its line, until it is dropped.
#[derive(Debug)]
pub struct Place {
    queue: Arc<Queue>,
    line: Line,
    number: u64,
    call: Arc<Notify>,
}

/// One request among those that ask, until it is dropped.
#[derive(Debug)]
pub struct Admitted {
    queue: Arc<Queue>,
    limited: bool,
}

impl Queue {
    /// How many ask.
    pub fn admitted(&self) -> u32 {
        self.admitted.load(Ordering::Relaxed)
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Lets one more request ask, where fewer than `most` do; 0 means no limit.
    pub fn admit(self: &Arc<Self>, most: u32) -> Option<Admitted> {
        let admitted = self.admitted.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |current| {
            (most == 0 || current < most).then(|| current.saturating_add(1))
        });
        admitted.ok().map(|_| Admitted { queue: Arc::clone(self), limited: most > 0 })
    }

    /// Whether somebody waits for the model already: who comes now stands behind.
    pub fn has_line(&self, (model, client, reach): (&str, Dialect, Reach)) -> bool {
        self.waiting() > 0 && self.lines.lock().lines.contains_key(&(model.into(), client, reach))
    }

    /// Joins the end of the model's line; `None` where `most` wait in all.
    pub fn join(
        self: &Arc<Self>,
        (model, client, reach): (&str, Dialect, Reach),
        most: usize,
    ) -> Option<Place> {
        let mut lines = self.lines.lock();
        if self.waiting() >= most {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let (number, call, line) =
            (lines.next, Arc::<Notify>::default(), (model.into(), client, reach));
        lines.next += 1;
        lines.lines.entry(Line::clone(&line)).or_default().push_back((number, Arc::clone(&call)));
        Some(Place { queue: Arc::clone(self), line, number, call })
    }

    /// A place may have come free: the first of each line looks, the longest waiting one before the others.
    pub(super) fn call(&self) {
        if self.waiting() == 0 {
            return;
        }
        let lines = self.lines.lock();
        let mut first: Vec<_> = lines.lines.values().filter_map(VecDeque::front).collect();
        first.sort_unstable_by_key(|(number, _)| *number);
        for (_, call) in first {
            call.notify_one();
        }
    }
}

impl Place {
    /// Whether nobody of its line came before.
    pub fn is_first(&self) -> bool {
        let lines = self.queue.lines.lock();
        let first = lines.lines.get(&self.line).and_then(VecDeque::front);
        first.is_some_and(|(number, _)| *number == self.number)
    }

    /// Resolves when there may be something for it: at once where that was so since it last asked.
    pub async fn called(&self) {
        self.call.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.waiting.fetch_sub(1, Ordering::AcqRel);
        let mut lines = self.queue.lines.lock();
        let Some(line) = lines.lines.get_mut(&self.line) else { return };
        line.retain(|(number, _)| *number != self.number);
        match line.front() {
            // There may be a place for the next one too.
            Some((_, call)) => call.notify_one(),
            None => {
                lines.lines.remove(&self.line);
            }
        }
    }
}

impl Admitted {
    /// Takes itself back, as it came to nothing: nobody is called, who would find the same.
    pub fn withdraw(mut self) {
        self.limited = false;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.queue.admitted.fetch_sub(1, Ordering::AcqRel);
        if self.limited {
            self.queue.call();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: Dialect = Dialect::OpenAiChat;
    const ANY: Reach = Reach::Translated;

    async fn is_called(place: &Place) -> bool {
        let patience = std::time::Duration::from_millis(20);
        tokio::time::timeout(patience, place.called()).await.is_ok()
    }

    #[tokio::test]
    async fn the_first_of_each_line_is_called_and_then_the_next() {
        let queue = Arc::<Queue>::default();
        assert!(!queue.has_line(("m", CHAT, ANY)));
        let [one, two] = [0; 2].map(|_| queue.join(("m", CHAT, ANY), 9).unwrap());
        let other = queue.join(("n", CHAT, ANY), 9).unwrap();
        assert!(queue.has_line(("m", CHAT, ANY)) && !queue.has_line(("m", Dialect::Gemini, ANY)));
        assert_eq!((one.is_first(), two.is_first(), other.is_first()), (true, false, true));
        queue.call();
        assert!(is_called(&one).await && is_called(&other).await && !is_called(&two).await);
        drop(one);
        assert!(two.is_first() && is_called(&two).await);
        drop((two, other));
        assert_eq!(queue.waiting(), 0);
        assert!(!queue.has_line(("m", CHAT, ANY)));
    }

    #[tokio::test]
    async fn a_full_queue_takes_nobody_and_who_leaves_makes_room() {
        let queue = Arc::<Queue>::default();
        let places: Vec<Place> = (0..2).map(|_| queue.join(("m", CHAT, ANY), 2).unwrap()).collect();
        assert!(queue.join(("n", CHAT, ANY), 2).is_none());
        drop(places);
        assert!(queue.join(("n", CHAT, ANY), 2).is_some());
    }

    #[tokio::test]
    async fn no_more_than_the_limit_are_admitted_and_a_place_that_comes_free_is_called_out() {
        let queue = Arc::<Queue>::default();
        let admitted: Vec<_> = (0..3).map(|_| queue.admit(2)).collect();
        assert_eq!(admitted.iter().flatten().count(), 2);
        let place = queue.join(("m", CHAT, ANY), 9).unwrap();
        drop(admitted);
        assert!(is_called(&place).await);
        assert_eq!(queue.admitted(), 0);
        assert!((0..100).all(|_| queue.admit(0).is_some()), "0 is no limit");
    }
}
