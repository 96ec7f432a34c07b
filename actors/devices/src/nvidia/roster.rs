//! Remembers the cards that were seen, tells those that went and came back, and says so once.

use super::super::Sample;
use super::read::{NAME, NvmlReading};

struct Card {
    /// The last good sample; offline once it is gone.
    sample: Sample,
    /// Where NVML last had it.
    index: u32,
    slice: bool,
    here: bool,
}

#[derive(Default)]
pub(super) struct CardRoster {
    cards: Vec<Card>,
    /// The first look introduces all cards in one line.
    introduced: bool,
}

/// What happened to one card.
enum News {
    Gone(String, String),
    Back(String),
    New(String),
}

impl CardRoster {
    pub(super) const fn is_empty(&self) -> bool {
        self.cards.is_empty()
    }

    /// All cards that were ever seen are here.
    pub(super) fn complete(&self) -> bool {
        self.introduced && self.cards.iter().all(|card| card.here)
    }

    /// All cards, in the order of their places on the bus: "rtx 3090 #2" stays the same card when #1 goes.
    pub(super) fn samples(&self) -> Vec<Sample> {
        self.cards.iter().map(|card| card.sample.clone()).collect()
    }

    /// The driver went, and took all cards with it.
    pub(super) fn all_gone(&mut self, why: &str) {
        let mut news = Vec::new();
        for card in &mut self.cards {
            if card.here {
                card.here = false;
                card.sample = card.sample.offline();
                news.push(News::Gone(card.sample.name.clone(), why.to_owned()));
            }
        }
        self.tell(news);
    }

    pub(super) fn update(&mut self, readings: Vec<NvmlReading>) {
        let mut news = Vec::new();
        let mut seen = vec![false; self.cards.len()];
        let mut lost = Vec::new();
        for reading in readings {
            match reading {
                NvmlReading::Here { index, sample, slice } => {
                    let at = self.place(&sample, index, &seen);
                    match at.and_then(|at| Some((at, self.cards.get_mut(at)?))) {
                        Some((at, card)) => {
                            let back = !std::mem::replace(&mut card.here, true);
                            card.index = index;
                            card.learn(sample);
                            if let Some(seen) = seen.get_mut(at) {
                                *seen = true;
                            }
                            if back {
                                news.push(News::Back(card.sample.name.clone()));
                            }
                        }
                        None => {
                            let card = Card::new(sample, index, slice);
                            news.push(News::New(card.sample.name.clone()));
                            self.cards.push(card);
                            seen.push(true);
                        }
                    }
                }
                NvmlReading::Lost { index, why } => lost.push((index, why)),
            }
        }
        for (card, seen) in self.cards.iter_mut().zip(&seen) {
            if card.here && !seen {
                let why = lost.iter().find(|(index, _)| *index == card.index).map(|(_, why)| why.as_str());
                card.here = false;
                card.sample = card.sample.offline();
                let why = why.unwrap_or("the driver no longer lists it").to_owned();
                news.push(News::Gone(card.sample.name.clone(), why));
            }
        }
        // An operator removed it, and its id never comes back.
        self.cards.retain(|card| card.here || !card.slice);
        self.cards.sort_by(|a, b| (&a.sample.pci, a.index).cmp(&(&b.sample.pci, b.index)));
        if !std::mem::replace(&mut self.introduced, true) {
            let names: Vec<String> = self.cards.iter().map(|card| describe(&card.sample)).collect();
            match names.len() {
                0 => log::info!("devices/{NAME}: the driver is there, but no card"),
                _ => log::info!("devices/{NAME}: {}: {}", cards(names.len()), names.join(", ")),
            }
            for (index, why) in &lost {
                log::warn!("devices/{NAME}: card {index} can't be used: {why}");
            }
            return;
        }
        self.tell(news);
    }

    /// The card that a sample is of: by its id, by its place, and if both can't be read by its number.
    fn place(&self, sample: &Sample, index: u32, seen: &[bool]) -> Option<usize> {
        let free = |at: &usize| seen.get(*at) == Some(&false);
        let find = |is: &dyn Fn(&Card) -> bool| self.cards.iter().position(is).filter(free);
        if sample.uuid.is_some() {
            let found = find(&|card| card.sample.uuid == sample.uuid);
            // It was first seen while its id could not be read.
            return found.or_else(|| {
                find(&|card| {
                    card.sample.uuid.is_none() && (card.sample.pci == sample.pci || card.index == index)
                })
            });
        }
        if sample.pci.is_some() {
            return find(&|card| card.sample.pci == sample.pci);
        }
        find(&|card| card.index == index && card.here)
    }

    fn tell(&self, news: Vec<News>) {
        let here = self.cards.iter().filter(|card| card.here).count();
        let all = self.cards.len();
        for item in news {
            match item {
                News::Gone(name, why) => {
                    log::warn!("devices/{NAME}: {name} is gone ({why}); {here} of {} left", cards(all));
                }
                News::Back(name) => {
                    log::info!("devices/{NAME}: {name} is back; {here} of {} here", cards(all))
                }
                News::New(name) => log::info!("devices/{NAME}: {name} is new; {here} of {} here", cards(all)),
            }
        }
    }
}

impl Card {
    fn new(mut sample: Sample, index: u32, slice: bool) -> Self {
        if sample.name.is_empty() {
            sample.name = format!("NVIDIA GPU {index}");
        }
        Self { sample, index, slice, here: true }
    }

    /// Takes the new sample, and keeps what it is where that could not be read this time.
    fn learn(&mut self, new: Sample) {
        let old = std::mem::replace(&mut self.sample, new);
        if self.sample.name.is_empty() {
            self.sample.name = old.name;
        }
        self.sample.uuid = self.sample.uuid.take().or(old.uuid);
        self.sample.pci = self.sample.pci.take().or(old.pci);
    }
}

fn describe(sample: &Sample) -> String {
    match sample.memory_total_mib {
        Some(total) => format!("{} ({total} MiB)", sample.name),
        None => format!("{} (memory unknown)", sample.name),
    }
}

fn cards(count: usize) -> String {
    if count == 1 { "1 card".to_owned() } else { format!("{count} cards") }
}
