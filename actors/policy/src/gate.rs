//! The gate of a ready backend: one word that counts leases, so that taking one needs no message.
//!
//! Only the Model actor opens, watches and closes a gate; requests come and go through it with one
//! compare-and-swap each. The arithmetic on the word is pure (`acquire`, `release`, ...), so that the model
//! checker and the real atomic below run the same code; `loom` checks the atomic (`--features loom`).
//!
//! ```text
//! bit 63      open: leases may be taken
//! bit 62      watched: the actor wants to hear of releases, and newcomers go through its queue
//! bits 32-61  turn: counts the leases ever taken, so that "nobody came meanwhile" can be told
//! bits 0-31   leases held now
//! ```

#[cfg(feature = "loom")]
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(not(feature = "loom"))]
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const OPEN: u64 = 1 << 63;
const WATCHED: u64 = 1 << 62;
const TURN: u64 = 1 << 32;
const TURN_MASK: u64 = (1 << 62) - TURN;
const LEASES_MASK: u64 = TURN - 1;

/// The value of a gate at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Word(u64);

/// Who asks for a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseAsker {
    /// A request on its own: it does not overtake those that the actor has queued.
    Newcomer,
    /// The Model actor, for the first in its queue.
    Queue,
}

impl Word {
    /// A gate that lets nobody in.
    pub const CLOSED: Word = Word(0);

    /// Leases held.
    pub fn leases(self) -> u32 {
        u32::try_from(self.0 & LEASES_MASK).unwrap_or(u32::MAX)
    }

    /// True while leases may be taken.
    pub fn is_open(self) -> bool {
        self.0 & OPEN != 0
    }

    /// True while the actor wants to hear of releases.
    pub fn is_watched(self) -> bool {
        self.0 & WATCHED != 0
    }

    /// The word with one lease more, or `None` when the asker may not have one now.
    pub fn acquire(self, asker: LeaseAsker, limit: u32) -> Option<Word> {
        let free = self.is_open() && self.leases() < limit;
        if !free || (asker == LeaseAsker::Newcomer && self.is_watched()) {
            return None;
        }
        let turn = self.0.wrapping_add(TURN) & TURN_MASK;
        Some(Word((self.0 & !TURN_MASK & !LEASES_MASK) | turn | ((self.0 & LEASES_MASK) + 1)))
    }

    /// The word with one lease less.
    pub fn release(self) -> Word {
        Word(if self.leases() == 0 { self.0 } else { self.0 - 1 })
    }

    /// The word of an open gate.
    pub fn opened(self) -> Word {
        Word(self.0 | OPEN)
    }

    /// The word of a closed gate; the actor hears of the releases still to come.
    pub fn closed(self) -> Word {
        Word((self.0 & !OPEN) | WATCHED)
    }

    /// The word of the gate closed, or `None` when someone is inside or has come since `seen` was looked at.
    pub fn closed_if_unused_since(self, seen: Word) -> Option<Word> {
        (self == seen && self.leases() == 0).then(|| self.closed())
    }

    /// The word with the watch set or lifted.
    pub fn watched(self, watched: bool) -> Word {
        Word(if watched { self.0 | WATCHED } else { self.0 & !WATCHED })
    }
}

/// The word that requests and the actor share.
#[derive(Debug)]
pub struct Gate {
    word: AtomicU64,
    limit: AtomicU32,
}

impl Gate {
    /// A closed gate for at most `limit` leases at once.
    pub fn new(limit: u32) -> Self {
        Self { word: AtomicU64::new(Word::CLOSED.0), limit: AtomicU32::new(limit) }
    }

    /// What the gate shows now.
    pub fn look(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Takes a lease if the asker may have one now.
    pub fn acquire(&self, asker: LeaseAsker) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        self.update(|word| word.acquire(asker, limit)).is_some()
    }

    /// From now on at most `limit` leases are given at once; those that are held stay.
    pub fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Gives a lease back; true when the actor wants to hear of it.
    pub fn release(&self) -> bool {
        self.update(|word| Some(word.release())).is_some_and(Word::is_watched)
    }

    /// Lets requests in.
    pub fn open(&self) {
        self.update(|word| Some(word.opened()));
    }

    /// Lets nobody in any more; answers how many leases are still held.
    pub fn close(&self) -> u32 {
        self.update(|word| Some(word.closed())).map_or(0, Word::leases)
    }

    /// Closes the gate if nobody has come or gone since `seen` was looked at, and nobody is inside.
    pub fn close_if_unused_since(&self, seen: Word) -> bool {
        self.update(|word| word.closed_if_unused_since(seen)).is_some()
    }

    /// Sends newcomers to the actor's queue and releases' news to the actor, or neither.
    pub fn watch(&self, watched: bool) {
        self.update(|word| Some(word.watched(watched)));
    }

    fn update(&self, change: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        let mut seen = self.word.load(Ordering::Relaxed);
        loop {
            let wanted = change(Word(seen))?;
            match self.word.compare_exchange_weak(seen, wanted.0, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(wanted),
                Err(actual) => seen = actual,
            }
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_closed_gate_lets_nobody_in() {
        let gate = Gate::new(u32::MAX);
        assert!(!gate.acquire(LeaseAsker::Newcomer));
        assert!(!gate.acquire(LeaseAsker::Queue));
    }

    #[test]
    fn newcomers_do_not_overtake_the_queue() {
        let gate = Gate::new(2);
        gate.open();
        assert!(gate.acquire(LeaseAsker::Newcomer));
        gate.watch(true);
        assert!(!gate.acquire(LeaseAsker::Newcomer));
        assert!(gate.acquire(LeaseAsker::Queue));
        assert!(!gate.acquire(LeaseAsker::Queue), "the limit holds for the queue too");
    }

    #[test]
    fn a_lower_limit_takes_nothing_back_and_a_higher_one_lets_more_in() {
        let gate = Gate::new(2);
        gate.open();
        assert!(gate.acquire(LeaseAsker::Newcomer) && gate.acquire(LeaseAsker::Newcomer));
        gate.set_limit(1);
        gate.release();
        assert!(!gate.acquire(LeaseAsker::Newcomer));
        assert_eq!(gate.look().leases(), 1);
        gate.set_limit(3);
        assert!(gate.acquire(LeaseAsker::Newcomer) && gate.acquire(LeaseAsker::Newcomer));
        assert!(!gate.acquire(LeaseAsker::Newcomer));
    }

    #[test]
    fn a_gate_used_in_between_does_not_close_as_unused() {
        let gate = Gate::new(u32::MAX);
        gate.open();
        let seen = gate.look();
        assert!(gate.acquire(LeaseAsker::Newcomer));
        gate.release();
        assert_eq!(gate.look().leases(), 0);
        assert!(!gate.close_if_unused_since(seen));
        assert!(gate.close_if_unused_since(gate.look()));
    }

    #[test]
    fn releases_are_told_only_when_watched() {
        let gate = Gate::new(u32::MAX);
        gate.open();
        assert!(gate.acquire(LeaseAsker::Newcomer) && gate.acquire(LeaseAsker::Newcomer));
        assert!(!gate.release());
        assert_eq!(gate.close(), 1);
        assert!(gate.release());
        // Asked for twice it is asked for.
        let watched = gate.look().watched(true).watched(true);
        assert!(watched.is_watched() && !watched.watched(false).watched(false).is_watched());
    }

    proptest! {
        #[test]
        fn the_word_counts_like_a_plain_counter(steps in prop::collection::vec(0..6_u8, 0..200), limit in 1..5_u32) {
            let gate = Gate::new(limit);
            let (mut held, mut open, mut watched) = (0_u32, false, false);
            for step in steps {
                match step {
                    0 | 1 => {
                        let asker = if step == 0 { LeaseAsker::Newcomer } else { LeaseAsker::Queue };
                        let expected = open && held < limit && (asker == LeaseAsker::Queue || !watched);
                        prop_assert_eq!(gate.acquire(asker), expected);
                        held += u32::from(expected);
                    }
                    2 if held > 0 => { prop_assert_eq!(gate.release(), watched); held -= 1; }
                    3 => { gate.open(); open = true; }
                    4 => { prop_assert_eq!(gate.close(), held); open = false; watched = true; }
                    5 => { watched = !watched; gate.watch(watched); }
                    _ => {}
                }
                prop_assert_eq!(gate.look().leases(), held);
                prop_assert_eq!(gate.look().is_open(), open);
            }
        }
    }
}

#[cfg(all(test, feature = "loom"))]
mod loom_tests {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn an_idle_close_and_a_newcomer_never_both_win() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(u32::MAX));
            gate.open();
            let seen = gate.look();
            let newcomer = thread::spawn({
                let gate = Arc::clone(&gate);
                move || gate.acquire(LeaseAsker::Newcomer)
            });
            let closed = gate.close_if_unused_since(seen);
            let inside = newcomer.join().unwrap();
            assert!(closed != inside, "closed as unused: {closed}, lease taken: {inside}");
        });
    }

    #[test]
    fn a_drain_hears_of_the_last_release() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(u32::MAX));
            gate.open();
            assert!(gate.acquire(LeaseAsker::Newcomer));
            let leaving = thread::spawn({
                let gate = Arc::clone(&gate);
                move || gate.release()
            });
            let left = gate.close();
            let told = leaving.join().unwrap();
            assert!(left == 0 || told, "one lease was left and nobody would have heard of its end");
        });
    }

    /// A newcomer that still slips in leaves again; whatever it does, the drain counts it or hears of it.
    #[test]
    fn a_drain_misses_no_newcomer() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(u32::MAX));
            gate.open();
            let passing = thread::spawn({
                let gate = Arc::clone(&gate);
                move || gate.acquire(LeaseAsker::Newcomer).then(|| gate.release())
            });
            let left = gate.close();
            assert!(!gate.acquire(LeaseAsker::Newcomer) && !gate.acquire(LeaseAsker::Queue));
            let told = passing.join().unwrap();
            assert!(left == 0 || told == Some(true), "{left} left, told: {told:?}");
            assert_eq!(gate.look().leases(), 0);
        });
    }

    #[test]
    fn the_limit_holds_for_newcomers_and_the_queue_together() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(1));
            gate.open();
            let newcomer = thread::spawn({
                let gate = Arc::clone(&gate);
                move || gate.acquire(LeaseAsker::Newcomer)
            });
            gate.watch(true);
            let queued = gate.acquire(LeaseAsker::Queue);
            let inside = newcomer.join().unwrap();
            assert!(queued != inside, "queued: {queued}, newcomer: {inside}");
            assert_eq!(gate.look().leases(), 1);
        });
    }

    #[test]
    fn two_releases_are_both_counted_and_an_idle_close_waits_for_them() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(u32::MAX));
            gate.open();
            assert!(gate.acquire(LeaseAsker::Newcomer) && gate.acquire(LeaseAsker::Newcomer));
            let leaving = thread::spawn({
                let gate = Arc::clone(&gate);
                move || gate.release()
            });
            gate.release();
            let closed = gate.close_if_unused_since(gate.look());
            leaving.join().unwrap();
            assert_eq!(gate.look().leases(), 0);
            assert_eq!(gate.look().is_open(), !closed);
        });
    }

    #[test]
    fn a_queued_request_is_granted_or_told() {
        loom::model(|| {
            let gate = Arc::new(Gate::new(1));
            gate.open();
            assert!(gate.acquire(LeaseAsker::Newcomer));
            let leaving = thread::spawn({
                let gate = Arc::clone(&gate);
                move || gate.release()
            });
            gate.watch(true);
            let granted = gate.acquire(LeaseAsker::Queue);
            let told = leaving.join().unwrap();
            assert!(granted || told, "the first in the queue would wait for ever");
        });
    }

    #[test]
    fn a_lease_leaves_gate_and_watch_and_each_is_a_turn_of_its_own() {
        let before = Word::CLOSED.opened().watched(true);
        let lent = before.acquire(LeaseAsker::Queue, 9).unwrap();
        assert!(lent.is_open() && lent.is_watched() && lent.leases() == 1);
        let (back, again) = (lent.release(), lent.release().acquire(LeaseAsker::Queue, 9).unwrap().release());
        assert!(back != before && again != back && again != before);
    }
}
