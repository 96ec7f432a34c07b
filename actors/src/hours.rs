//! Hours: whether it is one of those that the user named, now, on the clock of their zone.
//!
//! The time zone database tells what a clock shows; the rest is `policy::hours`.

use jiff::civil::Time;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan, Zoned};
use llm_manager_policy::hours::Hours;

/// The zone of an entry, or why there is none.
pub fn zone(hours: &Hours) -> Result<TimeZone, String> {
    let Some(name) = hours.zone() else { return Ok(TimeZone::system()) };
    TimeZone::get(name).map_err(|_| format!("no time zone has the name {name:?}"))
}

/// Whether one of them covers this moment. One whose zone is gone covers nothing.
pub fn cover(hours: &[Hours], at: Timestamp) -> bool {
    hours.iter().any(|one| shown(one, at).is_some_and(|clock| covers(one, &clock)))
}

/// When the hours are over that cover this moment; `None`: none does, or they never end.
pub fn end(hours: &[Hours], at: Timestamp) -> Option<Timestamp> {
    let mut end = at;
    // One may begin where another ends; a week of them comes around.
    for _ in 0..=7 * hours.len().max(1) {
        let next = hours.iter().filter_map(|one| end_of(one, end)).max();
        match next {
            Some(next) => end = next,
            None => return (end > at).then_some(end),
        }
    }
    None
}

/// When this one is over, if it covers that moment.
fn end_of(hours: &Hours, at: Timestamp) -> Option<Timestamp> {
    let clock = shown(hours, at).filter(|clock| covers(hours, clock))?;
    let until = hours.end();
    let minute = minute_of(&clock);
    let midnight = until == 24 * 60;
    let days: i64 = if midnight || minute >= until { 1 } else { 0 };
    let time = if midnight { 0 } else { until };
    let time = Time::new(i8::try_from(time / 60).ok()?, i8::try_from(time % 60).ok()?, 0, 0).ok()?;
    let date = clock.date().checked_add(days.days()).ok()?;
    let zone = clock.time_zone();
    let end = zone.to_ambiguous_zoned(date.to_datetime(time));
    let end = match end.offset() {
        // The clock skips that time: it is over when the clock jumps.
        AmbiguousOffset::Gap { .. } => zone.following(at).next()?.timestamp(),
        // In the hour that is repeated, the second one may end it.
        AmbiguousOffset::Fold { .. } => {
            let first = end.clone().earlier().ok()?.timestamp();
            if first > at { first } else { end.later().ok()?.timestamp() }
        }
        AmbiguousOffset::Unambiguous { .. } => end.compatible().ok()?.timestamp(),
    };
    (end > at).then_some(end)
}

fn shown(hours: &Hours, at: Timestamp) -> Option<Zoned> {
    Some(at.to_zoned(zone(hours).ok()?))
}

fn covers(hours: &Hours, clock: &Zoned) -> bool {
    let day = usize::try_from(clock.weekday().to_monday_zero_offset()).unwrap_or(0);
    hours.cover(day, minute_of(clock))
}

fn minute_of(clock: &Zoned) -> u16 {
    u16::try_from(i32::from(clock.hour()) * 60 + i32::from(clock.minute())).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hours(texts: &[&str]) -> Vec<Hours> {
        texts.iter().map(|text| Hours::parse(text).unwrap()).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn working_hours_follow_the_clock_over_both_changes() {
        let work = hours(&["Mon-Sun 08:00-18:00 Europe/Berlin"]);
        // Saturday in winter time, Sunday of the change in summer time.
        for (begin, end) in [
            ("2026-03-28T07:00:00Z", "2026-03-28T17:00:00Z"),
            ("2026-03-29T06:00:00Z", "2026-03-29T16:00:00Z"),
            ("2026-10-24T06:00:00Z", "2026-10-24T16:00:00Z"),
            ("2026-10-25T07:00:00Z", "2026-10-25T17:00:00Z"),
        ] {
            let (begin, last) = (at(begin), at(end));
            assert!(!cover(&work, begin - 1.second()) && cover(&work, begin), "{begin}");
            assert!(cover(&work, last - 1.second()) && !cover(&work, last), "{last}");
            assert_eq!(end_at(&work, begin), Some(last));
            assert_eq!(end_at(&work, last - 1.second()), Some(last));
            assert_eq!(end_at(&work, last), None);
        }
    }

    fn end_at(hours: &[Hours], moment: Timestamp) -> Option<Timestamp> {
        end(hours, moment)
    }

    #[test]
    fn a_night_of_a_change_is_an_hour_shorter_or_longer() {
        let night = hours(&["22:00-06:00 Europe/Berlin"]);
        let length = |begin: &str| end(&night, at(begin)).unwrap().duration_since(at(begin)).as_hours();
        assert_eq!(length("2026-03-27T21:00:00Z"), 8);
        assert_eq!(length("2026-03-28T21:00:00Z"), 7);
        assert_eq!(length("2026-10-24T20:00:00Z"), 9);
    }

    #[test]
    fn what_is_skipped_is_skipped_and_what_is_repeated_counts_twice() {
        let skipped = hours(&["02:00-03:00 Europe/Berlin"]);
        let minutes = |day: &str| {
            let begin = at(day);
            (0_i64..24 * 60).filter(|minute| cover(&skipped, begin + minute.minutes())).count()
        };
        assert_eq!(minutes("2026-03-29T00:00:00Z"), 0);
        assert_eq!(minutes("2026-10-25T00:00:00Z"), 120);
        assert_eq!(minutes("2026-06-01T00:00:00Z"), 60);
    }

    #[test]
    fn hours_that_touch_end_together_and_always_has_no_end() {
        let both = hours(&["08:00-12:00 UTC", "12:00-18:00 UTC"]);
        assert_eq!(end(&both, at("2026-01-05T09:00:00Z")), Some(at("2026-01-05T18:00:00Z")));
        assert_eq!(end(&hours(&["00:00-24:00 UTC"]), at("2026-01-05T09:00:00Z")), None);
        assert_eq!(end(&[], at("2026-01-05T09:00:00Z")), None);
    }

    #[test]
    fn a_zone_that_does_not_exist_covers_nothing() {
        let nowhere = hours(&["00:00-24:00 Europe/Nowhere"]);
        assert!(!cover(&nowhere, Timestamp::now()));
        assert_eq!(zone(&nowhere[0]).unwrap_err(), "no time zone has the name \"Europe/Nowhere\"");
    }

    proptest! {
        #[test]
        fn at_the_end_they_are_over_and_just_before_they_are_not(
            from in 0_u16..1440,
            to in 1_u16..1440,
            second in 1_767_225_600_i64..1_798_761_600,
            zone in prop::sample::select(vec!["Europe/Berlin", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe"]),
        ) {
            prop_assume!(from != to);
            let text = format!("{}:{:02}-{}:{:02} {zone}", from / 60, from % 60, to / 60, to % 60);
            let one = hours(&[&text]);
            let moment = Timestamp::from_second(second).unwrap();
            if let Some(over) = end(&one, moment) {
                prop_assert!(cover(&one, moment) && !cover(&one, over), "{} {}", text, over);
                prop_assert!(cover(&one, over - 1.second()), "{} {}", text, over);
            } else {
                prop_assert!(!cover(&one, moment));
            }
        }
    }
}
