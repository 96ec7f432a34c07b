//! Buckets of time: minutes to months as the caller's clock and calendar have them, and how they are covered
//! by rollups.

use super::error::StoreError;
use super::rollup::{LEVELS, floor_to};
use super::row::Micros;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan, Zoned};

/// More buckets than this are not made at once.
pub const MOST_BUCKETS: usize = 5000;

/// Widths of a series' points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// 60 seconds.
    Minute,
    /// A quarter of an hour.
    Quarter,
    /// An hour of the local clock; one in which the clock is changed is cut there.
    Hour,
    /// From local midnight (or the day's first moment) to the next: 23 to 25 hours.
    Day,
    /// From Monday on.
    Week,
    /// A month of the calendar.
    Month,
}

/// The borders of the buckets that cover `from..to`: one more than there are buckets. The first and the last
/// bucket are whole, so they may begin before `from` and end after `to`.
pub(super) fn borders(
    bucket: Bucket,
    zone: &TimeZone,
    from: Micros,
    to: Micros,
) -> Result<Vec<Micros>, StoreError> {
    let wrong = |error: jiff::Error| StoreError::Refused(format!("this time cannot be: {error}"));
    if from >= to {
        return Err(StoreError::Refused("`from` is not before `to`".into()));
    }
    let mut at = first(bucket, zone, from).map_err(wrong)?;
    let mut borders = vec![at.as_microsecond()];
    let mut clock = Clock::default();
    while at.as_microsecond() < to {
        if borders.len() > MOST_BUCKETS {
            return Err(StoreError::Refused(format!(
                "that would be more than {MOST_BUCKETS} points: choose wider ones, or less time"
            )));
        }
        at = match seconds_of(bucket) {
            Some(width) => clock.next(zone, at, width),
            None => next_day(bucket, zone, at),
        }
        .map_err(wrong)?;
        borders.push(at.as_microsecond());
    }
    Ok(borders)
}

fn seconds_of(bucket: Bucket) -> Option<i64> {
    match bucket {
        Bucket::Minute => Some(60),
        Bucket::Quarter => Some(900),
        Bucket::Hour => Some(3600),
        Bucket::Day | Bucket::Week | Bucket::Month => None,
    }
}

/// The first moment of a local day.
fn midnight(zone: &TimeZone, date: Date) -> Result<Timestamp, jiff::Error> {
    Ok(date.to_zoned(zone.clone())?.start_of_day()?.timestamp())
}

fn first(bucket: Bucket, zone: &TimeZone, from: Micros) -> Result<Timestamp, jiff::Error> {
    let time = Timestamp::from_microsecond(from)?;
    if let Some(width) = seconds_of(bucket) {
        let start = floor_local(zone, time, width)?;
        // Not before the clock was last changed.
        let changed = zone.preceding(time.checked_add(SignedDuration::from_nanos(1))?).next();
        return Ok(changed
            .map(|change| change.timestamp())
            .filter(|change| *change > start)
            .unwrap_or(start));
    }
    let date = Zoned::new(time, zone.clone()).date();
    midnight(zone, first_date(bucket, date)?)
}

fn first_date(bucket: Bucket, date: Date) -> Result<Date, jiff::Error> {
    match bucket {
        Bucket::Week if date.weekday() != Weekday::Monday => {
            date.checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days())
        }
        Bucket::Month => Ok(date.first_of_month()),
        _ => Ok(date),
    }
}

/// As if the clock had always been set as it is at this time.
fn floor_local(zone: &TimeZone, time: Timestamp, width: i64) -> Result<Timestamp, jiff::Error> {
    let offset = i64::from(zone.to_offset(time).seconds()) * 1_000_000;
    Timestamp::from_microsecond(floor_to(time.as_microsecond() + offset, width) - offset)
}

/// How the clock of a zone is set. A day has 1,440 minutes, and one look at the zone is enough for most of them.
#[derive(Default)]
struct Clock {
    offset: Micros,
    /// Since when, and when it is changed.
    set: Option<(Timestamp, Timestamp)>,
}

impl Clock {
    /// The end of the bucket of this width that begins then.
    fn next(&mut self, zone: &TimeZone, at: Timestamp, width: i64) -> Result<Timestamp, jiff::Error> {
        let (_, change) = match self.set.filter(|(since, change)| (*since..*change).contains(&at)) {
            Some(set) => set,
            None => {
                self.offset = i64::from(zone.to_offset(at).seconds()) * 1_000_000;
                let change = zone.following(at).next().map_or(Timestamp::MAX, |change| change.timestamp());
                *self.set.insert((at, change))
            }
        };
        let start = floor_to(at.as_microsecond() + self.offset, width) - self.offset;
        let next = Timestamp::from_microsecond(start)?.checked_add(SignedDuration::from_secs(width))?;
        Ok(next.min(change))
    }
}

/// The same for buckets of whole days.
fn next_day(bucket: Bucket, zone: &TimeZone, at: Timestamp) -> Result<Timestamp, jiff::Error> {
    let date = first_date(bucket, Zoned::new(at, zone.clone()).date())?;
    let next = match bucket {
        Bucket::Week => date.checked_add(7.days())?,
        Bucket::Month => date.checked_add(1.month())?,
        _ => date.checked_add(1.day())?,
    };
    midnight(zone, next)
}

/// A stretch of time that rollups of one level cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RollupSpan {
    /// Its width in seconds.
    pub(super) level: i64,
    pub(super) from: Micros,
    pub(super) to: Micros,
}

/// The fewest and widest rollups that cover `from..to`, both of which are multiples of a minute.
pub(super) fn tiles(from: Micros, to: Micros) -> Vec<RollupSpan> {
    tiles_of(from, to, &LEVELS)
}

/// The same for other levels; both times are multiples of the first.
pub(super) fn tiles_of(from: Micros, to: Micros, levels: &[i64]) -> Vec<RollupSpan> {
    let mut tiles = Vec::new();
    cover(from, to, levels, &mut tiles);
    tiles
}

fn cover(from: Micros, to: Micros, levels: &[i64], tiles: &mut Vec<RollupSpan>) {
    let Some((&level, finer)) = levels.split_last() else { return };
    if from >= to {
        return;
    }
    let (inner_from, inner_to) = (ceil_to(from, level), floor_to(to, level));
    if inner_from >= inner_to {
        cover(from, to, finer, tiles);
        return;
    }
    cover(from, inner_from, finer, tiles);
    tiles.push(RollupSpan { level, from: inner_from, to: inner_to });
    cover(inner_to, to, finer, tiles);
}

/// The end of the bucket of this width in which a time lies, unless it is a border itself.
pub(super) fn ceil_to(time: Micros, level: i64) -> Micros {
    let floor = floor_to(time, level);
    if floor == time { time } else { floor + level * 1_000_000 }
}
