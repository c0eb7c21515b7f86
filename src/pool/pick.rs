//! Which candidate, given what is known of each: a pure choice.

use std::cmp::Ordering;

use crate::config::Dispatch;

/// What is cheap to know of a candidate.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// How the owner wants it used.
    pub dispatch: Dispatch,
    /// Whether the request must be translated for it.
    pub speech: Speech,
    /// Its place in the weighted round (the share it has had, counted in turns of weight 1), or how far it is from the
    /// request's conversation: the least is next.
    pub turn: u64,
}

/// What has to be looked up, and is when the candidate could win.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Whether it may be asked.
    pub readiness: Readiness,
    /// Whether enough is left of its limits.
    pub headroom: Headroom,
    /// Whether it is known to work, where that counts.
    pub record: Record,
    /// Requests in flight, counted in turns of weight 1 too.
    pub load: u64,
}

impl Look {
    /// What no look can better.
    const BEST: Self = Self {
        readiness: Readiness::Open,
        headroom: Headroom::Enough,
        record: Record::Proven,
        load: 0,
    };
}

/// How much speaks against asking a candidate; less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Readiness {
    /// Nothing.
    Open,
    /// It would be a probe.
    Due,
    /// It failed a moment ago.
    Resting,
}

/// Whether enough is left of a candidate's limits for the request, as far as its provider said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Headroom {
    /// Yes, or nobody said.
    Enough,
    /// No.
    Short,
}

/// Whether a candidate has answered since it last failed; all are alike to a request's first attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// Yes, or it does not matter.
    Proven,
    /// No.
    Unproven,
}

/// Whether a candidate speaks the client's dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speech {
    /// Yes: the body passes as it came.
    Own,
    /// No: the request has to be translated.
    Foreign,
}

/// The best candidate; the same views give the same answer.
///
/// Readiness comes first, then the owner's dispatch, then what is left of limits, then the client's own dialect, then the
/// record, then the turn, then the load; of equals the first. Fallbacks do not take turns: their
/// order in the file is their order of use. `look` gives `None` for a candidate that may not be
/// asked at all.
pub fn pick<Candidate>(
    candidates: impl IntoIterator<Item = (Candidate, View)>,
    look: impl Fn(&Candidate) -> Option<Look>,
) -> Option<Candidate> {
    let mut best = None;
    for (candidate, view) in candidates {
        let key = |look: Look| Rank::of(&view, &look).key();
        let at_best = key(Look::BEST);
        if best.as_ref().is_some_and(|(key, _)| *key <= at_best) {
            continue;
        }
        let Some(key) = look(&candidate).map(key) else { continue };
        if best.as_ref().is_none_or(|(before, _)| key < *before) {
            best = Some((key, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Where a candidate stands among others, less is better: the reasons in the order in which they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rank {
    /// Whether it may be asked.
    pub readiness: Readiness,
    /// The owner's dispatch.
    pub tier: u8,
    /// Whether enough is left of its limits.
    pub headroom: Headroom,
    /// Whether it speaks the client's dialect.
    pub speech: Speech,
    /// Whether it is known to work, where that counts.
    pub record: Record,
    turn: u64,
    load: u64,
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Rank {
    /// The rank of what was viewed and looked up.
    pub const fn of(view: &View, look: &Look) -> Self {
        let (turn, load) = balance(view, look.load);
        Self {
            readiness: look.readiness,
            tier: Self::tier(view.dispatch),
            headroom: look.headroom,
            speech: view.speech,
            record: look.record,
            turn,
            load,
        }
    }

    /// What decides, in numbers: to compare field by field would be most of a choice among many.
    const fn key(&self) -> (u64, u64, u64) {
        let Self { readiness, tier, headroom, speech, record, turn, load } = *self;
        let places = [0, 0, 0, readiness as u8, tier, headroom as u8, speech as u8, record as u8];
        (u64::from_be_bytes(places), turn, load)
    }

    /// The place of a dispatch.
    pub const fn tier(dispatch: Dispatch) -> u8 {
        match dispatch {
            Dispatch::Exclusive => 0,
            Dispatch::Pooled => 1,
            Dispatch::Fallback => 2,
            Dispatch::Off => 3,
        }
    }
}

/// The weighted round, then the least loaded.
const fn balance(view: &View, load: u64) -> (u64, u64) {
    match view.dispatch {
        Dispatch::Fallback => (0, 0),
        Dispatch::Pooled | Dispatch::Exclusive | Dispatch::Off => (view.turn, load),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A view, and what a look at it finds.
    type Case = (Option<Look>, View);

    const VIEW: View = View { dispatch: Dispatch::Pooled, speech: Speech::Own, turn: 10 };
    const LOOK: Look = Look::BEST;

    fn best(cases: &[Case]) -> Option<usize> {
        let candidates = cases.iter().enumerate().map(|(place, (_, view))| (place, *view));
        pick(candidates, |place| cases[*place].0)
    }

    #[test]
    fn nothing_to_choose_from() {
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[(None, VIEW), (None, VIEW)]), None);
    }

    #[test]
    fn the_order_of_reasons() {
        let open = (Some(LOOK), VIEW);
        let exclusive = (open.0, View { dispatch: Dispatch::Exclusive, turn: 99, ..VIEW });
        let fallback = (open.0, View { dispatch: Dispatch::Fallback, turn: 0, ..VIEW });
        let foreign = (open.0, View { speech: Speech::Foreign, turn: 0, ..VIEW });
        let foreign_exclusive = (open.0, View { dispatch: Dispatch::Exclusive, ..foreign.1 });
        let later = (open.0, View { turn: 11, ..VIEW });
        let loaded = (Some(Look { load: 1, ..LOOK }), VIEW);
        let unproven = (Some(Look { record: Record::Unproven, ..LOOK }), View { turn: 0, ..VIEW });
        let sooner = View { turn: 0, ..VIEW };
        let due = (Some(Look { readiness: Readiness::Due, ..LOOK }), sooner);
        let short = (Some(Look { headroom: Headroom::Short, ..LOOK }), sooner);
        let resting = (Some(Look { readiness: Readiness::Resting, ..LOOK }), sooner);
        let better_first = [
            (open, due),
            (due, resting),
            (foreign, short),
            (short, fallback),
            (fallback, resting),
            (exclusive, open),
            (open, fallback),
            (open, foreign),
            (open, unproven),
            (unproven, foreign),
            (unproven, fallback),
            (foreign_exclusive, open),
            (open, later),
            (open, loaded),
            (loaded, later),
        ];
        for (better, worse) in better_first {
            assert_eq!(best(&[worse, (None, VIEW), better]), Some(2), "{better:?} {worse:?}");
            assert_eq!(best(&[better, worse]), Some(0), "{better:?} {worse:?}");
        }
    }

    #[test]
    fn fallbacks_are_used_in_file_order() {
        let first = View { dispatch: Dispatch::Fallback, turn: 50, ..VIEW };
        let second = View { dispatch: Dispatch::Fallback, turn: 0, ..VIEW };
        let loaded = Some(Look { load: 9, ..LOOK });
        assert_eq!(best(&[(loaded, first), (Some(LOOK), second)]), Some(0));
        assert_eq!(best(&[(None, first), (Some(LOOK), second)]), Some(1));
    }

    #[test]
    fn equals_go_by_place() {
        assert_eq!(best(&[(Some(LOOK), VIEW), (Some(LOOK), VIEW)]), Some(0));
    }

    #[test]
    fn who_cannot_win_is_not_looked_at() {
        let later = View { turn: 11, ..VIEW };
        let looks = std::cell::Cell::new(0);
        let look = |_: &usize| {
            looks.set(looks.get() + 1);
            Some(LOOK)
        };
        assert_eq!(pick([(0, VIEW), (1, later), (2, VIEW)], look), Some(0));
        assert_eq!(looks.get(), 1);
    }
}
