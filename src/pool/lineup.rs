//! The accounts that serve one model, and whose turn it is among them.

use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::account::{Account, AccountId};
use super::cooldown::Standing;
use super::explain::{self, Considered, Found, Looked};
use super::gate::Gate;
use super::lease::Lease;
use super::model::Model;
use super::pick::{Headroom, Look, Rank, Readiness, Record, Speech, View, pick};
use super::spread::{Form, Spread};
use super::unavailable::{Exhausted, Passed, Unavailable, Why};
use super::{Reach, Want};
use crate::config::{Dispatch, Scheduling};
use crate::dialects::Dialect;
use crate::dialects::count::Counter;
use crate::embeddings::Api;

/// Every account that serves a model, in file order.
///
/// The turns are a weighted fair queue: each lease moves its account on by a stride that is the
/// smaller the greater its weight, and the account that has come least far is next. All of it is
/// atomics: two leases at once may take the same account, and the turns after that make up for it.
#[derive(Debug)]
pub(super) struct Lineup {
    seats: Vec<Arc<Seat>>,
    /// Whether all have the same weight.
    is_even: bool,
    /// The turn of the last lease: an account that was away resumes here, and does not make up for
    /// lost time.
    clock: AtomicU64,
}

/// One account's place among those that serve a model; what every choice reads is copied here from
/// the account.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) account: Arc<Account>,
    /// The model's name there.
    pub(super) model: Arc<str>,
    /// What is known of the model there.
    pub(super) known: Arc<Model>,
    id: AccountId,
    /// Its name as a number: where it stands among conversations.
    place: u64,
    turn: AtomicU64,
    stride: u64,
    /// One through the weight.
    spacing: f64,
    dispatch: Dispatch,
    /// The client dialects that it serves, a bit each,
    clients: u8,
    /// those that it speaks,
    speaks: u8,
    /// those of them that count tokens,
    counts: u8,
    /// and those that have embeddings.
    embeds: u8,
}

/// One turn of weight 1.
const STRIDE: u64 = 1 << 20;

/// What decides among accounts of which all else is alike.
#[derive(Clone, Copy)]
enum Order {
    /// Whose turn it is.
    Turn,
    /// Who is nearest to a conversation.
    Conversation(u64),
    /// Who answers soonest.
    Latency,
}

impl Order {
    const fn of(scheduling: Scheduling, want: &Want<'_>) -> Self {
        match (scheduling, want.conversation) {
            (Scheduling::CacheFirst, Some(conversation)) => Self::Conversation(conversation),
            (Scheduling::PerformanceFirst, _) => Self::Latency,
            (Scheduling::CacheFirst | Scheduling::Balance, _) => Self::Turn,
        }
    }
}

/// Who is not to be asked again for this request.
struct Skip<'a> {
    tried: &'a [AccountId],
    /// Those that another thread filled or probed between the look and the claim.
    lost: Vec<AccountId>,
}

impl Skip<'_> {
    fn has(&self, id: AccountId) -> bool {
        self.tried.contains(&id) || self.lost.contains(&id)
    }
}

impl Lineup {
    /// The accounts that serve `model`; `None` when there are none.
    pub(super) fn new(accounts: &[Arc<Account>], model: &str) -> Option<Self> {
        let seats = accounts.iter().filter_map(|account| Seat::new(account, model));
        let seats: Vec<_> = seats.map(Arc::new).collect();
        let first = seats.first().map(|seat| seat.stride);
        let is_even = seats.iter().all(|seat| Some(seat.stride) == first);
        (!seats.is_empty()).then(|| Self { seats, is_even, clock: AtomicU64::new(0) })
    }

    /// Whether there is more than one.
    pub(super) const fn has_choice(&self) -> bool {
        self.seats.len() > 1
    }

    /// Leases the best account that can be had now.
    pub(super) fn lease(
        &self,
        want: &Want<'_>,
        tried: &[AccountId],
        scheduling: Scheduling,
        now: Instant,
    ) -> Result<Lease, Unavailable> {
        let order = Order::of(scheduling, want);
        let mut skip = Skip { tried, lost: Vec::new() };
        if let Some(lease) = want.prefer.and_then(|id| self.preferred(id, want, tried, now)) {
            return Ok(lease);
        }
        loop {
            let clock = self.clock.load(Ordering::Relaxed);
            let Some(seat) = self.best(want, &skip, (order, clock), now) else {
                return Err(self.unavailable(want, tried, now));
            };
            if let Some(lease) = self.claim(seat, want, (order, clock), now) {
                return Ok(lease);
            }
            skip.lost.push(seat.id);
        }
    }

    /// Leases the account that would be next, where nothing speaks against asking it beside one of this dispatch: it has the
    /// same, it need not be tested, and enough is left of its limits.
    pub(super) fn lease_beside(
        &self,
        dispatch: Dispatch,
        (want, scheduling): (&Want<'_>, Scheduling),
        tried: &[AccountId],
        now: Instant,
    ) -> Option<Lease> {
        let skip = Skip { tried, lost: Vec::new() };
        let order = (Order::of(scheduling, want), self.clock.load(Ordering::Relaxed));
        let seat = self.best(want, &skip, order, now)?;
        let look = seat.look(want, tried, now)?;
        let is_alike = seat.dispatch == dispatch
            && look.readiness == Readiness::Open
            && look.headroom == Headroom::Enough;
        if is_alike { self.claim(seat, want, order, now) } else { None }
    }

    /// How the times to the beginning of an answer spread over all accounts.
    pub(super) fn usual(&self, form: Form, percentile: u8, now: Instant) -> Option<Duration> {
        let mut all = Spread::new(now);
        for seat in &self.seats {
            seat.known.latency.add_to(&mut all, form, now);
        }
        all.percentile(percentile, now)
    }

    /// The account that is next.
    fn best(
        &self,
        want: &Want<'_>,
        skip: &Skip<'_>,
        (order, clock): (Order, u64),
        now: Instant,
    ) -> Option<&Arc<Seat>> {
        let open = self.seats.iter().filter(|seat| !skip.has(seat.id));
        let turn = |seat| self.turn(seat, order, clock, now);
        let views = open.filter_map(|seat| Some((seat, seat.view(want, turn(seat))?)));
        pick(views, |seat: &&Arc<Seat>| seat.look(want, skip.tried, now))
    }

    fn claim(
        &self,
        seat: &Arc<Seat>,
        want: &Want<'_>,
        (order, clock): (Order, u64),
        now: Instant,
    ) -> Option<Lease> {
        let lease = seat.claim(want, now)?;
        if matches!(order, Order::Turn) {
            self.clock.fetch_max(seat.advance(clock), Ordering::Relaxed);
        }
        Some(lease)
    }

    /// What decides among accounts of which all else is alike: the least is next.
    fn turn(&self, seat: &Seat, order: Order, clock: u64, now: Instant) -> u64 {
        match order {
            Order::Conversation(conversation) => seat.distance(conversation, self.is_even),
            Order::Latency => seat.expected_latency(now),
            Order::Turn => seat.turn.load(Ordering::Relaxed).max(clock),
        }
    }

    /// What a lease would find now, of each account. Nothing where there is only one.
    pub(super) fn explain(
        &self,
        want: &Want<'_>,
        tried: &[AccountId],
        scheduling: Scheduling,
        now: Instant,
    ) -> Vec<Considered> {
        if !self.has_choice() {
            return Vec::new();
        }
        let (order, clock) = (Order::of(scheduling, want), self.clock.load(Ordering::Relaxed));
        let looked = |seat: &Arc<Seat>| {
            let found = match seat.view(want, self.turn(seat, order, clock, now)) {
                None => Found::NotForClient,
                Some(_) if tried.contains(&seat.id) => Found::Passed(Why::Tried),
                Some(view) => match seat.look(want, tried, now) {
                    Some(look) => Found::Ready(Rank::of(&view, &look)),
                    None => Found::Passed(seat.why(tried, now)),
                },
            };
            Looked { account: seat.id, found }
        };
        explain::compare(&self.seats.iter().map(looked).collect::<Vec<_>>(), want.prefer)
    }

    /// The account that a request had better go to, where it can be had.
    fn preferred(
        &self,
        id: AccountId,
        want: &Want<'_>,
        tried: &[AccountId],
        now: Instant,
    ) -> Option<Lease> {
        if tried.contains(&id) {
            return None;
        }
        let seat = self.seats.iter().find(|seat| seat.id == id)?;
        seat.speech(want)?;
        let look = seat.look(want, tried, now)?;
        if look.readiness > Readiness::Due {
            return None;
        }
        seat.claim(want, now)
    }

    /// Why each account was not had.
    fn unavailable(&self, want: &Want<'_>, tried: &[AccountId], now: Instant) -> Unavailable {
        let serving = self.seats.iter().filter(|seat| seat.speech(want).is_some());
        let passed: Vec<Passed> =
            serving.map(|seat| Passed { account: seat.id, why: seat.why(tried, now) }).collect();
        if passed.is_empty() {
            return Unavailable::NotForClient;
        }
        Unavailable::Exhausted(Exhausted::new(passed, now))
    }
}

impl Seat {
    fn new(account: &Arc<Account>, model: &str) -> Option<Self> {
        let model = account.upstream_model(model)?;
        let (model, known) = account.gates.models.named(&model);
        let spoken = account.config.dialects_for(&model);
        let stride = (STRIDE / u64::from(account.config.weight.get())).max(1);
        let mut hash = DefaultHasher::new();
        hash.write(account.config.name.as_bytes());
        Some(Self {
            account: Arc::clone(account),
            model,
            known,
            id: account.id,
            place: hash.finish(),
            // Half a stride in, weights 5 and 1 go a a a b a a and not b a a a a a.
            turn: AtomicU64::new(stride / 2),
            stride,
            spacing: f64::from(account.config.weight.get()).recip(),
            dispatch: account.config.dispatch,
            clients: bits(&account.config.clients),
            speaks: bits(spoken),
            counts: bits(spoken.iter().filter(|own| Counter::of(**own).is_some())),
            embeds: bits(spoken.iter().filter(|own| Api::of(**own).is_some())),
        })
    }

    /// Whether the request must be translated for the account; `None` when it cannot go there.
    const fn speech(&self, want: &Want<'_>) -> Option<Speech> {
        let client = bit(want.client);
        if self.clients & client == 0 || self.speaks == 0 {
            return None;
        }
        match want.reach {
            _ if self.speaks & client != 0 => Some(Speech::Own),
            Reach::Translated => Some(Speech::Foreign),
            Reach::Counted if self.counts != 0 => Some(Speech::Foreign),
            Reach::Embedded if self.embeds & embeds_alike(want.client) != 0 => Some(Speech::Own),
            Reach::Embedded if self.embeds != 0 => Some(Speech::Foreign),
            Reach::Counted | Reach::Embedded | Reach::OwnDialect => None,
        }
    }

    /// How far the account is from a conversation: the nearest one has it, and the next when that one cannot be asked. Weighted
    /// rendezvous hashing: nothing is kept for a conversation, which stays where it is over a restart and on every replica, and
    /// an account that comes or goes moves no conversation but its own. An account of twice the weight has twice as many.
    /// <https://en.wikipedia.org/wiki/Rendezvous_hashing>
    fn distance(&self, conversation: u64, is_even: bool) -> u64 {
        let chance = mixed(self.place ^ conversation);
        // The greatest number is nearest, as it is with weights: an account of another weight that comes moves few.
        if is_even {
            return !chance;
        }
        // Of numbers that are not below zero, the greater one has the greater bits.
        (negative_log2(chance) * self.spacing).to_bits()
    }

    /// The time to the first byte that the account makes expect, and as much again for each request that it has under way,
    /// so that the fastest is not buried; less for a greater weight. An account that nobody has measured is first.
    fn expected_latency(&self, now: Instant) -> u64 {
        let requests = u64::from(self.account.in_flight()) + 1;
        self.known.latency.expected(now).saturating_mul(requests) / u64::from(self.weight())
    }

    fn weight(&self) -> u32 {
        self.account.config.weight.get()
    }

    fn view(&self, want: &Want<'_>, turn: u64) -> Option<View> {
        Some(View { dispatch: self.dispatch, speech: self.speech(want)?, turn })
    }

    /// `None` when the account is full or barred.
    fn look(&self, want: &Want<'_>, tried: &[AccountId], now: Instant) -> Option<Look> {
        let in_flight = self.account.in_flight();
        let most = self.account.config.max_concurrency;
        if most > 0 && in_flight >= most {
            return None;
        }
        let load = self.stride.saturating_mul(u64::from(in_flight));
        // A second attempt goes to what is known to work, if anything is.
        let proven = tried.is_empty() || self.account.live.proven.load(Ordering::Relaxed);
        let record = if proven { Record::Proven } else { Record::Unproven };
        let readiness = self.readiness(tried, now)?;
        Some(Look { readiness, headroom: self.headroom(want, now), record, load })
    }

    /// Whether enough is left of the provider's limits for the request.
    fn headroom(&self, want: &Want<'_>, now: Instant) -> Headroom {
        match self.known.limits.short_until(want.tokens, now) {
            Some(_) => Headroom::Short,
            None => Headroom::Enough,
        }
    }

    fn gates(&self) -> [&Gate; 3] {
        [&self.account.provider, &self.account.gates.account, &self.known.gate]
    }

    /// The worst of the three; `None` when barred.
    fn readiness(&self, tried: &[AccountId], now: Instant) -> Option<Readiness> {
        let mut worst = Readiness::Open;
        for gate in self.gates() {
            worst = worst.max(match gate.standing(now) {
                Standing::Open => Readiness::Open,
                // A first attempt may test an account.
                Standing::Due if tried.is_empty() => Readiness::Open,
                Standing::Due => Readiness::Due,
                Standing::Resting { .. } => Readiness::Resting,
                Standing::Barred { .. } => return None,
            });
        }
        Some(worst)
    }

    fn claim(self: &Arc<Self>, want: &Want<'_>, now: Instant) -> Option<Lease> {
        let dialect = self.account.dialect_for(want.client, want.reach, &self.model)?;
        let lease = Lease::claim(self, dialect, now)?;
        self.known.limits.take(want.tokens);
        Some(lease)
    }

    /// Moves on by one turn; answers the turn that was taken.
    fn advance(&self, clock: u64) -> u64 {
        let next = |turn: u64| turn.max(clock).saturating_add(self.stride);
        let turn =
            self.turn.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |turn| Some(next(turn)));
        turn.unwrap_or_else(|turn| turn).max(clock)
    }

    fn why(&self, tried: &[AccountId], now: Instant) -> Why {
        // The gate that bars longest decides when it can be asked again.
        let standings = self.gates().map(|gate| gate.standing(now));
        let worst = standings.into_iter().filter_map(Why::of).max_by_key(|why| why.end());
        let other = if tried.contains(&self.account.id) { Why::Tried } else { Why::Busy };
        worst.unwrap_or(other)
    }
}

/// A number that has nothing to do with its neighbours': the finalizer of SplitMix64. <https://prng.di.unimi.it/splitmix64.c>
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// `-log2` of a number as a share of 2^64, to 1/5000: a logarithm of the library's would be most of a choice among a
/// hundred accounts.
#[expect(clippy::cast_precision_loss, reason = "53 bits of 64 are plenty")]
fn negative_log2(chance: u64) -> f64 {
    let chance = chance | 1;
    let zeros = chance.leading_zeros();
    // What follows the first bit, as a share: log2(1 + share) is near share, and this is what it exceeds it by.
    let share = ((chance << zeros) << 1) as f64 / 2_f64.powi(64);
    let bulge = share * (1.0 - share) * (0.4381 - 0.2367 * share + 0.0803 * share * share);
    f64::from(zeros) + 1.0 - share - bulge
}

/// The dialects that share a client's API for embeddings.
const fn embeds_alike(client: Dialect) -> u8 {
    match Api::of(client) {
        Some(Api::OpenAi) => bit(Dialect::OpenAiChat) | bit(Dialect::OpenAiResponses),
        Some(Api::Gemini) => bit(Dialect::Gemini),
        None => 0,
    }
}

const fn bit(dialect: Dialect) -> u8 {
    1 << dialect as u8
}

fn bits<'a>(dialects: impl IntoIterator<Item = &'a Dialect>) -> u8 {
    dialects.into_iter().fold(0, |bits, dialect| bits | bit(*dialect))
}
