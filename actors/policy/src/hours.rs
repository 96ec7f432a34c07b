//! Hours of the week, as a user writes them: `Mon-Fri 08:00-18:00 Europe/Berlin`.
//!
//! ```text
//! hours = [days] HH:MM-HH:MM [zone]     "08:00-18:00"   "Mon,Wed 22:00-06:00 UTC"
//! days  = day | day "-" day, with commas between them; left out: every day
//! ```
//!
//! Both ends are times of the wall clock of the zone. An end that is not after the beginning is that of the next day,
//! and belongs to the day on which it began. What a clock change skips is skipped, what it repeats counts twice: only
//! the time of day that a clock shows decides. The conversion to that time is not made here.

use crate::lifecycle::Moment;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const DAY: u16 = 24 * 60;
const WEEK: usize = 7 * DAY as usize;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hours {
    text: Arc<str>,
    /// From Monday on.
    days: [bool; 7],
    /// Minutes after midnight.
    from: u16,
    to: u16,
    zone: Option<Arc<str>>,
}

/// Why an entry means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadHours {
    /// It is not of the form.
    Form,
    /// This is no day.
    Day(String),
    /// This is no time of a clock.
    Time(String),
    /// It begins when it ends.
    Nothing,
}

impl fmt::Display for BadHours {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form => to.write_str("expected hours such as \"Mon-Fri 08:00-18:00 Europe/Berlin\""),
            Self::Day(word) => write!(to, "{word:?} is no day; the days are {}", DAYS.join(", ")),
            Self::Time(word) => write!(to, "{word:?} is no time from 00:00 to 24:00"),
            Self::Nothing => to.write_str("it begins when it ends; the whole day is 00:00-24:00"),
        }
    }
}

impl Hours {
    /// Reads an entry. Whether the zone exists is not looked at.
    pub fn parse(text: &str) -> Result<Self, BadHours> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let is_span = |word: &&&str| word.starts_with(|c: char| c.is_ascii_digit());
        let span = words.iter().position(|word| is_span(&word)).ok_or(BadHours::Form)?;
        let (before, after) = (words.get(..span), words.get(span + 1..));
        let (from, to) = words.get(span).and_then(|word| word.split_once('-')).ok_or(BadHours::Form)?;
        let (from, to) = (time(from)?, time(to)?);
        let days = match before.unwrap_or_default() {
            [] => [true; 7],
            [list] => days(list)?,
            _ => return Err(BadHours::Form),
        };
        let zone = match after.unwrap_or_default() {
            [] => None,
            [zone] => Some(Arc::from(*zone)),
            _ => return Err(BadHours::Form),
        };
        if from == to || from == DAY {
            return Err(BadHours::Nothing);
        }
        Ok(Self { text: text.trim().into(), days, from, to, zone })
    }

    /// As the user wrote it.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Its time zone; `None`: that of the system.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// Minutes after midnight at which it ends, on the same day or, if that is not after the beginning, on the next.
    pub fn end(&self) -> u16 {
        self.to
    }

    /// Whether it covers this minute after midnight of this day, which counts from Monday, 0.
    pub fn cover(&self, day: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.get(day % 7) == Some(&true);
        if self.from < self.to {
            return on(day) && (self.from..self.to).contains(&minute);
        }
        on(day) && minute >= self.from || on(day + 6) && minute < self.to
    }

    /// Whether some minute of the week, on the clock of their zone, is in both. Of different zones nothing is said.
    pub fn overlap(&self, other: &Self) -> bool {
        let at = |minute: usize| {
            (minute / usize::from(DAY), u16::try_from(minute % usize::from(DAY)).unwrap_or(0))
        };
        self.zone == other.zone
            && (0..WEEK).map(at).any(|(day, minute)| self.cover(day, minute) && other.cover(day, minute))
    }
}

fn time(text: &str) -> Result<u16, BadHours> {
    let wrong = || BadHours::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let number = |part: &str, digits: std::ops::RangeInclusive<usize>| {
        let is_one = digits.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| is_one).ok_or_else(wrong)
    };
    let (hour, minute) = (number(hour, 1..=2)?, number(minute, 2..=2)?);
    let all = hour * 60 + minute;
    if minute < 60 && all <= DAY { Ok(all) } else { Err(wrong()) }
}

fn days(list: &str) -> Result<[bool; 7], BadHours> {
    let day = |word: &str| {
        let found = DAYS.iter().position(|day| day.eq_ignore_ascii_case(word));
        found.ok_or_else(|| BadHours::Day(word.to_owned()))
    };
    let mut days = [false; 7];
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        // `Sat-Mon` goes over the end of the week.
        for at in first..=(if last < first { last + 7 } else { last }) {
            if let Some(one) = days.get_mut(at % 7) {
                *one = true;
            }
        }
    }
    Ok(days)
}

/// How a model is started for its hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// They begin: idle models go for it.
    MakesRoom,
    /// It was lost within them: it comes back where there is room.
    IfThereIsRoom,
}

/// What is remembered of a model with hours in which it is kept warm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WarmState {
    /// It is kept warm.
    pub warm: bool,
    /// It was last to be started then.
    tried: Option<Moment>,
}

/// What is seen of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoursView {
    /// The time.
    pub now: Moment,
    /// Its hours last, or begin within the time that a start takes.
    pub wanted: bool,
    /// It neither runs nor is about to.
    pub down: bool,
    /// An operator's order has ended its last run.
    pub by_order: bool,
}

/// Between two tries to start it again.
const AGAIN: Duration = Duration::from_secs(60);

/// How long before its hours a model is started: twice what it took the last time and a bit, or all that a start may take.
pub fn lead(last_start: Option<Duration>, start_timeout: Duration) -> Duration {
    last_start.map_or(start_timeout, |last| (last * 2 + Duration::from_secs(30)).min(start_timeout))
}

/// What follows from what is seen.
pub fn keep(before: WarmState, seen: HoursView) -> (WarmState, Option<Start>) {
    if !seen.wanted {
        return (WarmState::default(), None);
    }
    let again = before.tried.is_none_or(|tried| seen.now >= tried.saturating_add(AGAIN));
    let start = match before.warm {
        false if seen.down => Some(Start::MakesRoom),
        // Whoever has stopped it within its hours has meant it.
        true if seen.down && !seen.by_order && again => Some(Start::IfThereIsRoom),
        _ => None,
    };
    (WarmState { warm: true, tried: if start.is_some() { Some(seen.now) } else { before.tried } }, start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(text: &str) -> Hours {
        Hours::parse(text).unwrap()
    }

    #[test]
    fn entries_are_read_as_people_write_them() {
        let work = hours(" Mon-Fri 08:00-18:00 Europe/Berlin ");
        assert_eq!(
            (work.zone(), &**work.text()),
            (Some("Europe/Berlin"), "Mon-Fri 08:00-18:00 Europe/Berlin")
        );
        assert!(work.cover(0, 480) && work.cover(4, 1079));
        assert!(!work.cover(0, 479) && !work.cover(4, 1080) && !work.cover(5, 600));
        assert!(hours("8:00-24:00").cover(6, 1439) && hours("8:00-24:00").zone().is_none());
        let weekend = hours("sat-mon,Wed 00:00-24:00 UTC");
        let on: Vec<bool> = (0..7).map(|day| weekend.cover(day, 0)).collect();
        assert_eq!(on, [true, false, true, false, false, true, true]);
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = hours("Sun 22:00-06:00");
        assert!(night.cover(6, 1320) && night.cover(0, 359));
        assert!(!night.cover(6, 359) && !night.cover(0, 360) && !night.cover(0, 1320));
    }

    #[test]
    fn what_means_nothing_says_why() {
        for (text, wrong) in [
            ("", BadHours::Form),
            ("Mon-Fri", BadHours::Form),
            ("Mon 08:00", BadHours::Form),
            ("Mon Tue 08:00-18:00", BadHours::Form),
            ("08:00-18:00 Europe/Berlin now", BadHours::Form),
            ("Moon 08:00-18:00", BadHours::Day("Moon".into())),
            ("Mon, 08:00-18:00", BadHours::Day(String::new())),
            ("08:00-25:00", BadHours::Time("25:00".into())),
            ("08:60-09:00", BadHours::Time("08:60".into())),
            ("08-18", BadHours::Time("08".into())),
            ("08:00-8", BadHours::Time("8".into())),
            ("008:00-09:00", BadHours::Time("008:00".into())),
            ("08:+8-09:00", BadHours::Time("08:+8".into())),
            ("08:00-08:00", BadHours::Nothing),
            ("24:00-08:00", BadHours::Nothing),
        ] {
            assert_eq!(Hours::parse(text), Err(wrong), "{text}");
        }
    }

    #[test]
    fn overlaps_are_seen_over_midnight_and_the_end_of_the_week() {
        let both = |one: &str, other: &str| hours(one).overlap(&hours(other));
        assert!(both("Mon-Fri 08:00-18:00", "Fri 17:59-20:00"));
        assert!(!both("Mon-Fri 08:00-18:00", "Fri 18:00-20:00"));
        assert!(both("Sun 22:00-06:00", "Mon 05:00-07:00"));
        assert!(!both("08:00-18:00 UTC", "08:00-18:00 Europe/Berlin"));
        assert!(both("Wed 10:00-11:00", "Wed 10:59-12:00"));
        assert!(!both("Wed 10:00-11:00", "Thu 10:00-11:00"));
    }

    #[test]
    fn a_model_is_started_for_its_hours_and_again_when_it_was_lost() {
        let seen = |second: u64, wanted, down, by_order| HoursView {
            now: Duration::from_secs(second),
            wanted,
            down,
            by_order,
        };
        let (none, start) = keep(WarmState::default(), seen(0, false, true, false));
        assert_eq!((none.warm, start), (false, None));
        assert_eq!(keep(none, seen(9, true, false, false)).1, None, "it runs already");
        let (warm, start) = keep(none, seen(10, true, true, true));
        assert_eq!(
            (warm.warm, start),
            (true, Some(Start::MakesRoom)),
            "what was ordered before them is over"
        );
        assert_eq!(keep(warm, seen(11, true, false, false)), (warm, None));
        assert_eq!(keep(warm, seen(20, true, true, false)).1, None, "a moment later");
        assert_eq!(keep(warm, seen(71, true, true, true)).1, None, "an operator has stopped it");
        assert_eq!(keep(warm, seen(71, true, true, false)).1, Some(Start::IfThereIsRoom));
        assert_eq!(keep(warm, seen(72, false, true, false)), (WarmState::default(), None));
    }

    #[test]
    fn it_is_started_early_enough() {
        let seconds = Duration::from_secs;
        assert_eq!(lead(None, seconds(300)), seconds(300));
        assert_eq!(lead(Some(seconds(20)), seconds(300)), seconds(70));
        assert_eq!(lead(Some(seconds(200)), seconds(300)), seconds(300));
    }

    proptest! {
        #[test]
        fn each_minute_of_a_day_is_covered_as_the_words_say(from in 0_u16..1440, to in 1_u16..=1440, minute in 0_u16..1440) {
            prop_assume!(from != to);
            let text = format!("{}:{:02}-{}:{:02}", from / 60, from % 60, to / 60, to % 60);
            let wanted = if from < to { from <= minute && minute < to } else { minute >= from || minute < to };
            prop_assert_eq!(hours(&text).cover(3, minute), wanted);
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Hours::parse(&text);
        }
    }
}
