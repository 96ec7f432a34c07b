//! Long random histories: requests come, backends fail, memory lacks, operators stop the model and change its rules.

use super::*;

/// What may happen in a long history.
#[derive(Clone, Copy, Debug)]
enum Luck {
    Comes,
    Ends,
    Dies(usize),
    /// From now on there is no memory for one more.
    Full(bool),
    /// From now on starts fail.
    Broken(bool),
    Evicted(usize),
    Stop,
    Rules(u32, u32),
    Nothing,
}

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        6 => Just(Luck::Comes),
        4 => Just(Luck::Ends),
        1 => (0_usize..4).prop_map(Luck::Dies),
        1 => any::<bool>().prop_map(Luck::Full),
        1 => any::<bool>().prop_map(Luck::Broken),
        1 => (0_usize..4).prop_map(Luck::Evicted),
        1 => Just(Luck::Stop),
        1 => (0_u32..4, 1_u32..5).prop_map(|(min, max)| Luck::Rules(min.min(max), max)),
        8 => Just(Luck::Nothing),
    ]
}

const TICK: Duration = Duration::from_millis(500);
const ALIVE: Duration = Duration::from_secs(8);
const LOAD: Duration = Duration::from_secs(2);

/// Four places for backends, each of which serves one request at a time.
struct House {
    rules: Replicas,
    state: State,
    now: Moment,
    stands: [ReplicaState; 4],
    since: [Moment; 4],
    inside: [bool; 4],
    kept: [bool; 4],
    line: Vec<Moment>,
    full: bool,
    broken: bool,
}

impl House {
    fn new() -> Self {
        Self {
            rules: rules(1, 3),
            state: State::default(),
            now: at(1000),
            stands: [Down; 4],
            since: [Moment::ZERO; 4],
            inside: [false; 4],
            kept: [false; 4],
            line: Vec::new(),
            full: false,
            broken: false,
        }
    }

    fn set(&mut self, one: usize, stand: ReplicaState) {
        (self.stands[one], self.since[one]) = (stand, self.now);
        if stand != Ready && stand != Leaving {
            self.inside[one] = false;
        }
    }

    fn serve(&mut self) {
        for one in 0..4 {
            if self.stands[one] == Ready && !self.inside[one] && !self.line.is_empty() {
                self.line.remove(0);
                self.inside[one] = true;
            }
        }
    }

    fn happens(&mut self, event: Event) -> Result<Vec<Effect>, String> {
        self.serve();
        let waits_since = self.line.first().copied();
        let view = View { now: self.now, waits_since, stands: &self.stands, terms: &[] };
        let step = step(&self.state, event, &view, &self.rules);
        check(&self.stands, waits_since, self.now, &step, &self.rules)?;
        self.state = step.state.clone();
        for effect in &step.effects {
            match *effect {
                Effect::First => {
                    let may = match self.stands[0] {
                        Down => true,
                        Failed { retry_at } => retry_at <= self.now,
                        _ => false,
                    };
                    if may {
                        self.set(0, Rising);
                    } else if self.stands[0] != Leaving {
                        self.line.clear();
                    }
                }
                Effect::More { replica, .. } => self.set(replica, Rising),
                Effect::Release(replica) => self.set(replica, Leaving),
                Effect::LookAt(_) | Effect::Retire(_) => {}
            }
        }
        self.kept.copy_from_slice(&step.kept);
        Ok(step.effects)
    }

    /// Half a second passes: backends load, idle ones go, and the front looks.
    fn tick(&mut self) -> Result<(), String> {
        self.now += TICK;
        for one in 0..4 {
            let lasted = self.now - self.since[one];
            match self.stands[one] {
                Rising if lasted >= LOAD && one > 0 && self.full => {
                    self.set(one, Down);
                    self.happens(Event::Refused { replica: one, retry_after: Duration::ZERO })?;
                }
                Rising if lasted >= LOAD && self.broken => {
                    let retry_at = self.now + Duration::from_secs(1);
                    self.set(one, Failed { retry_at });
                }
                Rising if lasted >= LOAD => self.set(one, Ready),
                Ready if !self.inside[one] && lasted >= ALIVE && !self.kept[one] => {
                    let alive = self.stands.iter().filter(|stand| stand.is_alive()).count();
                    if alive <= self.rules.min as usize {
                        return Err(format!("below min for being idle: {:?}", self.stands));
                    }
                    self.set(one, Leaving);
                }
                Leaving if !self.inside[one] => self.set(one, Down),
                _ => {}
            }
            self.happens(Event::Look)?;
        }
        Ok(())
    }

    fn strikes(&mut self, luck: Luck) -> Result<(), String> {
        match luck {
            Luck::Comes => self.line.push(self.now),
            Luck::Ends => {
                if let Some(one) = self.inside.iter().position(|inside| *inside) {
                    self.inside[one] = false;
                    self.since[one] = self.now;
                }
            }
            Luck::Dies(one) if self.stands[one].is_alive() => {
                let retry_at = self.now + Duration::from_secs(1);
                self.set(one, Failed { retry_at });
            }
            Luck::Evicted(one) if self.stands[one] == Ready => self.set(one, Leaving),
            Luck::Full(full) => self.full = full,
            Luck::Broken(broken) => self.broken = broken,
            Luck::Stop => {
                self.line.clear();
                self.happens(Event::Stopped)?;
                for one in 0..4 {
                    if self.stands[one].is_alive() {
                        self.set(one, Leaving);
                        self.inside[one] = false;
                    }
                }
                return Ok(());
            }
            Luck::Rules(min, max) => (self.rules.min, self.rules.max) = (min, max),
            Luck::Dies(_) | Luck::Evicted(_) | Luck::Nothing => {}
        }
        self.happens(Event::Look).map(drop)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens each step is right; and once it is over, a line that doesn't end has all replicas that there may be, and
    /// without one those that `min` wants are left.
    #[test]
    fn it_grows_while_somebody_waits_and_shrinks_to_min(story in prop::collection::vec(luck(), 0..120)) {
        let mut house = House::new();
        for luck in story {
            house.strikes(luck).map_err(TestCaseError::fail)?;
            house.tick().map_err(TestCaseError::fail)?;
        }
        (house.full, house.broken) = (false, false);
        let most = house.rules.max as usize;
        for _ in 0..400 {
            // More than all of them can serve, without an end.
            while house.line.len() < 8 {
                house.line.push(house.now);
            }
            for one in (0..4).filter(|one| house.stands[*one] == Leaving).collect::<Vec<_>>() {
                house.inside[one] = false;
            }
            house.tick().map_err(TestCaseError::fail)?;
        }
        let ready = house.stands.iter().filter(|stand| **stand == Ready).count();
        prop_assert_eq!(ready, most, "{:?}", house.stands);
        house.line.clear();
        house.inside = [false; 4];
        for _ in 0..100 {
            house.tick().map_err(TestCaseError::fail)?;
        }
        let alive = house.stands.iter().filter(|stand| stand.is_alive()).count();
        prop_assert_eq!(alive, house.rules.min as usize, "{:?}", house.stands);
    }
}
