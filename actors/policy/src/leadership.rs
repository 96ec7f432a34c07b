//! Leadership: which of several managers of one database starts and stops runs.
//!
//! The database has one lease, which its holder renews. A manager that wants it has to have seen the same renewal for as long as
//! the lease lasts, by its own clock. The holder counts from the moment at which it asked, which is earlier than any sight of the
//! renewal, and stops acting `margin` before the end: so one that was frozen, or whose network was cut, has stopped before
//! another may begin, and nobody has to tell it. The database's clock plays no part.

use std::sync::Arc;
use std::time::Duration;

use crate::lifecycle::Moment;

/// How long what lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A renewal lasts so long.
    pub lease: Duration,
    /// The holder stops acting so long before. What it has begun by then has to be with the cluster within it.
    pub margin: Duration,
}

impl Terms {
    /// Those of every manager: all of one database must have the same.
    pub const USUAL: Self = Self { lease: Duration::from_secs(3), margin: Duration::from_millis(500) };
}

/// What one manager knows of its own leadership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// The number of the lease that it holds, as far as it knows: no two holders have the same.
    pub token: Option<u64>,
    /// When it asked for the renewal that was last granted.
    pub confirmed: Moment,
    /// When it asked the question that isn't answered yet.
    pub asked: Option<Moment>,
    /// The renewal that it saw last, of another, and since when it is the same one.
    pub seen: Option<(Mark, Moment)>,
}

/// A renewal, unlike all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The number of the lease.
    pub token: u64,
    /// How often it has been renewed.
    pub renewals: u64,
}

/// What the database said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LeaseReply {
    /// The lease of this number is the asker's.
    Yours(u64),
    /// It is another's, with this last renewal: that of a holder who is gone lasts to its end.
    Others(Mark),
    /// Nothing, and whether it heard the question nobody knows.
    Nothing,
}

/// What happens to a manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is time to ask.
    Tick,
    /// The question has an answer.
    Told(LeaseReply),
    /// It ends, or leaves the lead to another.
    Resign,
}

/// What a manager does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Asks for the lease, or for its renewal.
    Ask {
        /// If this is still its last renewal, that of another is over.
        over: Option<Mark>,
    },
    /// From now on it starts and stops runs. Between this and an earlier [`Effect::StandBack`] another may have.
    Lead(u64),
    /// From now on it doesn't, and what runs is left to the next.
    StandBack,
}

/// One step.
pub fn step(state: &State, event: Event, now: Moment, terms: &Terms) -> (State, Vec<Effect>) {
    let mut next = state.clone();
    let mut effects = Vec::new();
    match event {
        Event::Tick if state.asked.is_none() => {
            next.asked = Some(now);
            let over = state.seen.filter(|(_, since)| now >= *since + terms.lease).map(|(mark, _)| mark);
            effects.push(Effect::Ask { over });
        }
        Event::Tick => {}
        Event::Told(said) => {
            let Some(asked) = next.asked.take() else { return (next, effects) };
            match said {
                LeaseReply::Yours(token) => {
                    next.confirmed = asked;
                    next.seen = None;
                    if state.token != Some(token) {
                        // Another may have held it in between.
                        effects.extend(state.token.map(|_| Effect::StandBack));
                        effects.push(Effect::Lead(token));
                        next.token = Some(token);
                    }
                }
                LeaseReply::Others(mark) => {
                    if next.seen.is_none_or(|(seen, _)| seen != mark) {
                        next.seen = Some((mark, now));
                    }
                    if next.token.take().is_some() {
                        effects.push(Effect::StandBack);
                    }
                }
                // What was promised holds to its end.
                LeaseReply::Nothing => {}
            }
        }
        Event::Resign => {
            // An answer that is on its way is none to whoever has resigned.
            next.asked = None;
            if next.token.take().is_some() {
                effects.push(Effect::StandBack);
            }
        }
    }
    (next, effects)
}

impl State {
    /// Until when it may start and stop runs; `None`: it may not.
    pub fn acts_until(&self, terms: &Terms) -> Option<Moment> {
        self.token.map(|_| self.confirmed + terms.lease.saturating_sub(terms.margin))
    }

    /// Whether it may start and stop runs now.
    pub fn may_act(&self, now: Moment, terms: &Terms) -> bool {
        self.acts_until(terms).is_some_and(|end| now < end)
    }
}

/// A backend of the manager that leads, as the others are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The model's name, or that of its further replica.
    pub name: String,
    pub variant: String,
    /// Its number in the ledger.
    pub run: i64,
    /// How it stands.
    pub stands: SharedRunState,
}

/// How a backend stands, to those that don't own it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SharedRunState {
    /// It serves.
    Ready(Address),
    /// It serves those whom it serves already.
    Leaving,
    /// It is on its way; why it isn't there yet.
    Coming(String),
    /// Whoever made the wish of this number gets none, and why.
    Refused {
        wish: i64,
        /// In words for the client.
        why: String,
    },
}

/// Where a backend is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address.
    pub host: String,
    pub port: u16,
    /// By this name its key is found in the folder that the managers share. The key itself is told nowhere.
    pub job: String,
}

/// What a manager wants of the one that leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaDemand {
    /// The model's name, or that of its further replica.
    pub name: String,
    /// Tells this wish from all others.
    pub number: i64,
    /// True: it isn't ready there, and shall be. False: it is used.
    pub waits: bool,
}

/// How a manager stands among the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeadershipStatus {
    /// The number of its lease, if it leads.
    pub token: Option<u64>,
    /// Who leads, as far as is known; empty: nobody.
    pub leader: Arc<str>,
    /// Where that one is reached.
    pub address: Arc<str>,
    /// Managers that have lately been heard of, this one left out.
    pub others: Arc<[String]>,
    /// The backends of the one that leads, to those that don't.
    pub replicas: Arc<[Replica]>,
    /// What else is wrong; empty: nothing.
    pub trouble: Arc<str>,
}

impl LeadershipStatus {
    /// What the one that leads says of this model or replica.
    pub fn replica(&self, name: &str) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.name == name)
    }
}

/// The lease, as the database keeps it. What it does is one statement after the other, so this is its whole behaviour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LeadershipLease<M> {
    /// Whose connection has the lock.
    pub lock: Option<M>,
    /// Who holds the lease, or held it last; `None`: it was given back.
    pub holder: Option<M>,
    /// Its last renewal.
    pub mark: Mark,
}

impl<M: Clone + PartialEq> LeadershipLease<M> {
    /// Answers the question of a manager. The connection of one that has the lock and doesn't renew its lease is ended.
    pub fn answer(&mut self, asker: &M, held: Option<u64>, over: Option<Mark>) -> LeaseReply {
        let over = over == Some(self.mark);
        if self.lock.as_ref().is_some_and(|owner| owner != asker) {
            if over {
                self.lock = None;
            }
            return LeaseReply::Others(self.mark);
        }
        if self.holder.as_ref() == Some(asker) && held == Some(self.mark.token) {
            self.mark.renewals += 1;
        } else if self.holder.is_none() || over {
            self.mark = Mark { token: self.mark.token + 1, renewals: 0 };
            self.holder = Some(asker.clone());
        } else {
            self.lock = None;
            return LeaseReply::Others(self.mark);
        }
        self.lock = Some(asker.clone());
        LeaseReply::Yours(self.mark.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Moment {
        Duration::from_millis(millis)
    }

    fn after(state: &State, event: Event, now: u64) -> (State, Vec<Effect>) {
        step(state, event, at(now), &Terms::USUAL)
    }

    #[test]
    fn its_time_counts_from_the_question() {
        let (asked, effects) = after(&State::default(), Event::Tick, 1000);
        assert_eq!(effects, [Effect::Ask { over: None }]);
        assert_eq!(after(&asked, Event::Tick, 1250).1, [], "one question at a time");
        let (leads, effects) = after(&asked, Event::Told(LeaseReply::Yours(7)), 2000);
        assert_eq!(effects, [Effect::Lead(7)]);
        assert_eq!(leads.acts_until(&Terms::USUAL), Some(at(3500)));
        assert!(leads.may_act(at(3499), &Terms::USUAL) && !leads.may_act(at(3500), &Terms::USUAL));
    }

    #[test]
    fn silence_ends_nothing_and_renews_nothing() {
        let leads = State { token: Some(7), confirmed: at(1000), asked: Some(at(2000)), seen: None };
        let (still, effects) = after(&leads, Event::Told(LeaseReply::Nothing), 2500);
        assert_eq!((still.token, still.confirmed, effects.len()), (Some(7), at(1000), 0));
        let (asked, _) = after(&still, Event::Tick, 9000);
        let (again, effects) = after(&asked, Event::Told(LeaseReply::Yours(7)), 9100);
        assert_eq!((again.confirmed, effects.len()), (at(9000), 0), "nobody had it meanwhile");
    }

    #[test]
    fn another_lease_is_another_lead() {
        let leads = State { token: Some(7), confirmed: at(0), asked: Some(at(9000)), seen: None };
        assert_eq!(
            after(&leads, Event::Told(LeaseReply::Yours(9)), 9100).1,
            [Effect::StandBack, Effect::Lead(9)]
        );
        let (follows, effects) = after(&leads, Event::Told(LeaseReply::Others(Mark::default())), 9100);
        assert_eq!((follows.token, effects), (None, vec![Effect::StandBack]));
        assert_eq!(follows.acts_until(&Terms::USUAL), None);
    }

    #[test]
    fn another_lease_is_over_when_its_renewal_has_not_changed_for_its_whole_time() {
        let mark = |renewals| Mark { token: 3, renewals };
        let told = |state: &State, asked: u64, mark: Mark, now: u64| {
            let (asked, effects) = after(state, Event::Tick, asked);
            (after(&asked, Event::Told(LeaseReply::Others(mark)), now).0, effects)
        };
        let (state, _) = told(&State::default(), 0, mark(1), 100);
        let (state, _) = told(&state, 1000, mark(2), 1100);
        let (state, effects) = told(&state, 4099, mark(2), 4200);
        assert_eq!(effects, [Effect::Ask { over: None }]);
        assert_eq!(told(&state, 4250, mark(2), 4300).1, [Effect::Ask { over: Some(mark(2)) }]);
    }

    #[test]
    fn whoever_resigns_hears_no_late_answer() {
        let leads = State { token: Some(7), confirmed: at(0), asked: Some(at(100)), seen: None };
        let (gone, effects) = after(&leads, Event::Resign, 150);
        assert_eq!(effects, [Effect::StandBack]);
        assert_eq!(after(&gone, Event::Told(LeaseReply::Yours(7)), 200), (gone, vec![]));
    }
}
