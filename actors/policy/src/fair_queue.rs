//! Who of those who wait for the same model is next, when only so many are served at once.
//!
//! **Classes.** The highest class goes first. So that nobody starves, a class of which somebody has waited for [`PATIENCE`] is
//! *due* as soon as [`PASSES`] turns in a row went to others. With three classes two may be due at the same moment, so such a
//! class gets at least every fifth turn, however many come in the classes above it.
//!
//! **Keys.** Within a class keys take turns by start-time fair queueing (Goyal, Vin, Cheng: Start-Time Fair Queueing, SIGCOMM
//! 1996), measured in tokens, as Sheng et al. do it for the answers of one model (Fairness in Serving Large Language Models, OSDI
//! 2024). All keys have the same weight. Of the requests of a key, which stand in the order of their arrival:
//!
//! ```text
//! S(r) = max(v when r came, F of the one before it)      its start, in tokens
//! F(r) = S(r) + cost(r)                                  the estimate of its input, and what it may generate at most
//! v    = S of the request that was served last           whoever comes later has no claim to what was before
//! ```
//!
//! The least `S` is next; of equals, the one that came first. A key is charged when its turn comes, so those who leave
//! the line cost it nothing. Without keys all requests are of one key, and stand in the order of their arrival.
//!
//! **Bounds.** While two keys wait in a class, the costs of what they get differ by at most the most costly request of each (theorem 1
//! of the paper, by which start-time fairness needs no knowledge of how fast the server is). So before a request goes, beside
//! those of its own key, of each other key at most as much as its own key gets until then and one request. In a class that is
//! passed that takes at most five times as many turns, and 30 s. When nobody has waited in a class for [`REST`], what was
//! served is forgotten.

use crate::lifecycle::Moment;
use crate::spec::Class;
use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// When somebody has waited for this long, classes above theirs no longer go first without end.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// So many turns of others a class bears then.
pub const PASSES: u32 = 3;
/// A pause after which nobody remembers who was served before.
pub const REST: Duration = Duration::from_secs(10);
/// No request costs more: sums stay in the range of numbers.
const MOST: u64 = 1 << 32;

/// The class of a request: that of its key, or else of its model. A client that asks for another gets a lower one always,
/// and a higher one up to `most`, where its key has that.
pub fn class_of(
    key: Option<Class>,
    model: Option<Class>,
    most: Option<Class>,
    asked: Option<Class>,
) -> Class {
    let own = key.or(model).unwrap_or_default();
    asked.map_or(own, |asked| asked.min(own.max(most.unwrap_or(own))))
}

/// What decides about the place of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueTicket {
    pub class: Class,
    /// Whose it is.
    pub key: Arc<str>,
    /// Tokens that it may take.
    pub cost: u64,
}

#[derive(Clone, Debug)]
struct Entry<T> {
    item: T,
    cost: u64,
    came: Moment,
    /// Counts arrivals.
    number: u64,
    /// `v` of its lane when it came.
    least_start: u64,
}

/// The requests of one key.
#[derive(Clone, Debug)]
struct Flow<T> {
    key: Arc<str>,
    /// `F` of the last one that was served.
    finish: u64,
    waiting: VecDeque<Entry<T>>,
}

impl<T> Entry<T> {
    fn by_ref(&self) -> Entry<&T> {
        let Self { ref item, cost, came, number, least_start } = *self;
        Entry { item, cost, came, number, least_start }
    }
}

impl<T> Flow<T> {
    fn by_ref(&self) -> Flow<&T> {
        let waiting = self.waiting.iter().map(Entry::by_ref).collect();
        Flow { key: Arc::clone(&self.key), finish: self.finish, waiting }
    }

    /// When its first one is due, in the order of the lane.
    fn start(&self) -> Option<(u64, u64)> {
        let first = self.waiting.front()?;
        Some((first.least_start.max(self.finish), first.number))
    }
}

/// The requests of one class.
#[derive(Clone, Debug)]
struct Lane<T> {
    flows: Vec<Flow<T>>,
    /// See `v` above.
    served: u64,
    /// Turns that others had since one of this class was served, while somebody waited in it.
    passed: u32,
    /// Nobody has waited since.
    empty_since: Option<Moment>,
}

impl<T> Lane<T> {
    const fn new() -> Self {
        Self { flows: Vec::new(), served: 0, passed: 0, empty_since: None }
    }

    fn is_empty(&self) -> bool {
        self.flows.iter().all(|flow| flow.waiting.is_empty())
    }

    fn oldest(&self) -> Option<Moment> {
        self.flows.iter().filter_map(|flow| flow.waiting.front()).map(|first| first.came).min()
    }

    fn push(&mut self, entry: Entry<T>, key: Arc<str>) {
        if self.empty_since.take().is_some_and(|since| entry.came >= since.saturating_add(REST)) {
            (self.flows, self.served) = (Vec::new(), 0);
        }
        let entry = Entry { least_start: self.served, ..entry };
        match self.flows.iter_mut().find(|flow| flow.key == key) {
            Some(flow) => flow.waiting.push_back(entry),
            None => self.flows.push(Flow { key, finish: 0, waiting: VecDeque::from([entry]) }),
        }
    }

    fn pop(&mut self) -> Option<T> {
        let waiting = self.flows.iter_mut().filter(|flow| !flow.waiting.is_empty());
        let flow = waiting.min_by_key(|flow| flow.start())?;
        let (start, _) = flow.start()?;
        let entry = flow.waiting.pop_front()?;
        flow.finish = start + entry.cost;
        self.served = start;
        // Whose turn is not behind the others' is as good as new.
        self.flows.retain(|flow| !flow.waiting.is_empty() || flow.finish > start);
        Some(entry.item)
    }

    fn by_ref(&self) -> Lane<&T> {
        let Self { served, passed, empty_since, .. } = *self;
        Lane { flows: self.flows.iter().map(Flow::by_ref).collect(), served, passed, empty_since }
    }

    fn note_empty(&mut self, now: Moment) {
        if self.is_empty() {
            self.passed = 0;
            self.empty_since.get_or_insert(now);
        }
    }
}

/// Those who wait for a model.
#[derive(Clone, Debug)]
pub struct FairQueue<T> {
    /// In the order of `Class::ALL`.
    lanes: [Lane<T>; Class::ALL.len()],
    arrivals: u64,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { lanes: [const { Lane::new() }; Class::ALL.len()], arrivals: 0 }
    }
}

impl<T> FairQueue<T> {
    /// A newcomer.
    pub fn push(&mut self, ticket: QueueTicket, now: Moment, item: T) {
        let QueueTicket { class, key, cost } = ticket;
        self.arrivals += 1;
        let cost = cost.clamp(1, MOST);
        let entry = Entry { item, cost, came: now, number: self.arrivals, least_start: 0 };
        if let Some(lane) = self.lanes.get_mut(class as usize) {
            lane.push(entry, key);
        }
    }

    /// Takes the next one out.
    pub fn pop(&mut self, now: Moment) -> Option<T> {
        let turn = self.turn(now)?;
        let mut next = None;
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            if at == turn {
                next = lane.pop();
                lane.passed = 0;
                lane.note_empty(now);
            } else if !lane.is_empty() {
                lane.passed = lane.passed.saturating_add(1);
            }
        }
        next
    }

    /// Whose turn it is: the place of a lane in which somebody waits.
    fn turn(&self, now: Moment) -> Option<usize> {
        let waiting = || self.lanes.iter().enumerate().filter(|(_, lane)| !lane.is_empty());
        let (highest, _) = waiting().next_back()?;
        let is_due = |lane: &Lane<T>| {
            let old = lane.oldest().is_some_and(|came| now >= came.saturating_add(PATIENCE));
            old && lane.passed >= PASSES
        };
        let due = waiting().filter(|(at, lane)| *at != highest && is_due(lane));
        Some(due.max_by_key(|(at, lane)| (lane.passed, Reverse(*at))).map_or(highest, |(at, _)| at))
    }

    /// Those who wait, in the order in which they would be served at once if nobody else came.
    pub fn in_order(&self, now: Moment) -> Vec<&T> {
        let mut sketch = FairQueue { lanes: self.lanes.each_ref().map(Lane::by_ref), arrivals: 0 };
        std::iter::from_fn(|| sketch.pop(now)).collect()
    }

    /// Drops those at the front of their keys that are gone. If anybody is left, the next one is not gone.
    pub fn trim(&mut self, is_gone: impl Fn(&T) -> bool) {
        for flow in self.lanes.iter_mut().flat_map(|lane| &mut lane.flows) {
            while flow.waiting.front().is_some_and(|first| is_gone(&first.item)) {
                flow.waiting.pop_front();
            }
        }
    }

    /// Takes all of these out.
    pub fn take(&mut self, is_meant: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for flow in self.lanes.iter_mut().flat_map(|lane| &mut lane.flows) {
            let all = std::mem::take(&mut flow.waiting).into_iter();
            let (meant, left): (VecDeque<_>, _) = all.partition(|entry| is_meant(&entry.item));
            flow.waiting = left;
            taken.extend(meant.into_iter().map(|entry| entry.item));
        }
        taken
    }

    /// The class of the next one.
    pub fn next_class(&self, now: Moment) -> Option<Class> {
        Class::ALL.get(self.turn(now)?).copied()
    }

    /// The highest class in which somebody waits.
    pub fn class(&self) -> Option<Class> {
        Class::ALL
            .into_iter()
            .zip(&self.lanes)
            .filter(|(_, lane)| !lane.is_empty())
            .map(|(class, _)| class)
            .next_back()
    }

    /// When the one who has waited longest came.
    pub fn oldest(&self) -> Option<Moment> {
        self.lanes.iter().filter_map(Lane::oldest).min()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lanes.iter().flat_map(|lane| &lane.flows).map(|flow| flow.waiting.len()).sum()
    }

    /// True if nobody does.
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(Lane::is_empty)
    }
}
