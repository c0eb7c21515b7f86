//! Which candidate, given what is known of each: a pure choice.

use crate::config::{Dispatch, Scheduling};

/// What the choice needs to know of one candidate, or `None` in its place when it cannot be had.
#[derive(Clone, Copy, Debug)]
pub struct View {
    /// Whether it may be asked.
    pub readiness: Readiness,
    /// How the owner wants it used.
    pub dispatch: Dispatch,
    /// Whether the request must be translated for it.
    pub speech: Speech,
    /// Its place in the weighted round: the share it has had, counted in turns of weight 1.
    pub turn: u64,
    /// Requests in flight, counted in turns of weight 1 too.
    pub load: u64,
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

/// Whether a candidate speaks the client's dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Speech {
    /// Yes: the body passes as it came.
    Own,
    /// No: the request has to be translated.
    Foreign,
}

/// The place of the best candidate; the same views give the same answer.
///
/// Readiness comes first, then the owner's dispatch, then the client's own dialect, then the turn. Fallbacks
/// do not take turns: their order in the file is their order of use.
pub fn pick(
    views: impl IntoIterator<Item = Option<View>>,
    scheduling: Scheduling,
) -> Option<usize> {
    let ranked = views.into_iter().enumerate().filter_map(|(place, view)| {
        let view = view?;
        let order = match scheduling {
            // The other two orders start from this one: where no conversation is known, or nothing was measured.
            Scheduling::CacheFirst | Scheduling::Balance | Scheduling::PerformanceFirst => {
                balance(&view)
            }
        };
        Some(((view.readiness, tier(view.dispatch), view.speech, order), place))
    });
    // `min` keeps the first of equals through the place, which is the file's order.
    ranked.min().map(|(_, place)| place)
}

/// Whose turn it is, and of those the least loaded.
const fn balance(view: &View) -> (u64, u64) {
    match view.dispatch {
        Dispatch::Fallback => (0, 0),
        Dispatch::Pooled | Dispatch::Exclusive | Dispatch::Off => (view.turn, view.load),
    }
}

const fn tier(dispatch: Dispatch) -> u8 {
    match dispatch {
        Dispatch::Exclusive => 0,
        Dispatch::Pooled => 1,
        Dispatch::Fallback => 2,
        Dispatch::Off => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: View = View {
        readiness: Readiness::Open,
        dispatch: Dispatch::Pooled,
        speech: Speech::Own,
        turn: 10,
        load: 0,
    };

    fn best(views: &[Option<View>]) -> Option<usize> {
        pick(views.iter().copied(), Scheduling::Balance)
    }

    #[test]
    fn nothing_to_choose_from() {
        assert_eq!(best(&[]), None);
        assert_eq!(best(&[None, None]), None);
    }

    #[test]
    fn the_order_of_reasons() {
        let resting = View { readiness: Readiness::Resting, ..VIEW };
        let exclusive = View { dispatch: Dispatch::Exclusive, turn: 99, ..VIEW };
        let fallback = View { dispatch: Dispatch::Fallback, turn: 0, ..VIEW };
        let foreign = View { speech: Speech::Foreign, turn: 0, ..VIEW };
        let later = View { turn: 11, ..VIEW };
        let loaded = View { load: 1, ..VIEW };
        let better_first = [
            (VIEW, resting),
            (fallback, resting),
            (exclusive, VIEW),
            (VIEW, fallback),
            (VIEW, foreign),
            (View { dispatch: Dispatch::Exclusive, ..foreign }, VIEW),
            (VIEW, later),
            (VIEW, loaded),
            (loaded, later),
        ];
        for (better, worse) in better_first {
            assert_eq!(best(&[Some(worse), None, Some(better)]), Some(2), "{better:?} {worse:?}");
            assert_eq!(best(&[Some(better), Some(worse)]), Some(0), "{better:?} {worse:?}");
        }
    }

    #[test]
    fn fallbacks_are_used_in_file_order() {
        let first = View { dispatch: Dispatch::Fallback, turn: 50, load: 9, ..VIEW };
        let second = View { dispatch: Dispatch::Fallback, turn: 0, load: 0, ..VIEW };
        assert_eq!(best(&[Some(first), Some(second)]), Some(0));
        assert_eq!(best(&[None, Some(second)]), Some(1));
    }

    #[test]
    fn equals_go_by_place() {
        assert_eq!(best(&[Some(VIEW), Some(VIEW)]), Some(0));
    }
}
