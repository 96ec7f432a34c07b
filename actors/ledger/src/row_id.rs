//! Where a row of a request lies, and what of its id is stored.
//!
//! Rows lie in the order of time: the id of a row is the microsecond of its end and a number within it, so neither the time nor
//! an index of it takes room of its own. An id that the manager has made begins with the time at which the request began; of
//! such a one only what can't be computed is kept, in the row's `tag`.

use super::db::Db;
use super::error::StoreError;
use super::row::{Micros, RequestRow, RowKey};
use super::schema::request_rows;
use diesel::{ExpressionMethods, QueryDsl, RunQueryDsl};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// Rows of one microsecond that can be told apart by their ids; were there more, they would be said to have ended in the next one.
const WITHIN: i64 = 1 << 11;
/// A row begins to look for its place among the first half of them: the other is for those that find theirs taken.
const FIRST: i64 = 1 << 10;
/// Until the year 2112.
const LATEST: Micros = (1 << 52) - 1;
/// Times of one question.
const CHUNK: usize = 500;

/// Digits of the milliseconds with which an id of the manager's begins, and of the random number behind them.
const TIME_DIGITS: usize = 11;
const RANDOM_BITS: u32 = 36;
/// The id is made a moment before or after the time from which the request counts: by fewer milliseconds than this.
const APART: i64 = 8;
/// Tags of rows with an id of another kind have this bit, and 40 of the row's key.
const OTHER: i64 = 1 << 40;
/// Longer ones have an index, by which an id of the manager's leads to them.
const LONG: Micros = 60_000_000;

/// The first id of a microsecond: rows that ended then or later have this one or larger ones.
pub(super) fn first_id(ended: Micros) -> i64 {
    ended.clamp(-LATEST, LATEST) * WITHIN
}

/// When the row of this id ended.
pub(super) fn ended_of(id: i64) -> Micros {
    id.div_euclid(WITHIN)
}

/// The number of a row within its microsecond.
pub(super) fn within(id: i64) -> i64 {
    id.rem_euclid(WITHIN)
}

/// Milliseconds and random number of an id that the manager may have made.
fn parts_of(id: &str) -> Option<(i64, i64)> {
    let is_ours = id.len() == 20 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (time, random) = is_ours.then(|| id.split_at(TIME_DIGITS))?;
    Some((i64::from_str_radix(time, 16).ok()?, i64::from_str_radix(random, 16).ok()?))
}

/// What of a row's id is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredId<'a> {
    /// It makes the row the same one when it is written again.
    pub(super) tag: i64,
    /// `None`: the tag tells it.
    pub(super) request_id: Option<&'a str>,
}

impl<'a> StoredId<'a> {
    pub(super) fn of(row: &'a RequestRow) -> Self {
        let started = row.ended_us() - row.duration_us;
        if started >= 0
            && let Some((millis, random)) = parts_of(&row.request_id)
            && let ahead = millis - started / 1000
            && (-APART..APART).contains(&ahead)
        {
            return Self { tag: ((ahead + APART) << RANDOM_BITS) | random, request_id: None };
        }
        Self { tag: OTHER | bits_of(row.key), request_id: Some(&row.request_id) }
    }
}

/// What tells rows of one microsecond apart, of whatever process: the sum of what is random in the key and of its counter.
fn bits_of(key: RowKey) -> i64 {
    const BITS: u128 = (1 << 40) - 1;
    let sum = ((key.0 >> 40) & BITS) + (key.0 & BITS);
    i64::try_from(sum & BITS).unwrap_or_default()
}

/// The id that a row without one was told.
pub(super) fn made_id(id: i64, duration_us: i64, tag: i64) -> String {
    let millis = (ended_of(id) - duration_us) / 1000 + (tag >> RANDOM_BITS) - APART;
    let random = tag & ((1 << RANDOM_BITS) - 1);
    format!("{millis:011x}{random:09x}")
}

/// Conditions that together lead to all rows of an id, each by an index; the id itself is $2.
pub(super) fn ways_to(id: &str) -> Vec<String> {
    let mut ways = vec!["request_id = $2 AND request_id IS NOT NULL".to_owned()];
    if let Some((millis, random)) = parts_of(id) {
        let tags = (0..2 * APART).map(|ahead| (ahead << RANDOM_BITS) | random);
        let tags = super::filter::list(tags.collect::<Vec<_>>().iter());
        let its = format!(
            "tag IN ({tags}) AND ((id >> 11) - duration_us) / 1000 + (tag >> {RANDOM_BITS}) - {APART} = {millis} AND $2 = $2"
        );
        let from = (millis - APART).saturating_mul(1000);
        let to = (millis + APART + 1).saturating_mul(1000).saturating_add(LONG);
        ways.push(format!(
            "id >= {} AND id < {} AND duration_us < {LONG} AND {its}",
            first_id(from),
            first_id(to)
        ));
        ways.push(format!("duration_us >= {LONG} AND {its}"));
    }
    ways
}

/// Finds ids for rows.
#[derive(Default)]
pub(super) struct RowIds {
    /// What is known to lie there; `None`: nothing.
    there: HashMap<i64, Option<i64>>,
    /// Of a microsecond, the rows that found their place taken.
    crowds: HashMap<Micros, Crowd>,
    /// Some of the rows may be in the ledger already.
    asks: bool,
}

/// Rows of one microsecond that found their place taken: an older ledger may have counted in seconds. They fill the second halves
/// of this microsecond and, if there are very many, of those behind it.
#[derive(Default)]
struct Crowd {
    tags: HashSet<i64>,
    taken: HashSet<i64>,
    /// How many places of these have been tried.
    tried: i64,
}

impl Crowd {
    /// The place of this number.
    fn place(ended: Micros, number: i64) -> i64 {
        first_id(ended.saturating_add(number / FIRST)) + FIRST + number % FIRST
    }

    /// Those that are in the ledger.
    fn load(db: &mut Db, ended: Micros) -> Result<Self, StoreError> {
        let mut crowd = Self::default();
        let mut number = 0;
        loop {
            let first = Self::place(ended, number);
            let query = request_rows::table.filter(request_rows::id.between(first, first + (FIRST - 1)));
            let found: Vec<(i64, i64)> = query.select((request_rows::id, request_rows::tag)).load(db)?;
            number += FIRST;
            let is_full = crowd.taken.len() + found.len() >= usize::try_from(number).unwrap_or(usize::MAX);
            for (id, tag) in found {
                crowd.taken.insert(id);
                crowd.tags.insert(tag);
            }
            if !is_full {
                return Ok(crowd);
            }
        }
    }

    /// The next free place, unless the row is there.
    fn take(&mut self, ended: Micros, tag: i64) -> Option<i64> {
        if !self.tags.insert(tag) {
            return None;
        }
        loop {
            let id = Self::place(ended, self.tried);
            self.tried += 1;
            if self.taken.insert(id) {
                return Some(id);
            }
        }
    }
}

impl RowIds {
    /// Of rows that may be in the ledger already.
    pub(super) fn asking(db: &mut Db, rows: &[(i64, i64)]) -> Result<Self, StoreError> {
        let mut there = HashMap::new();
        for chunk in rows.chunks(CHUNK) {
            let ids: Vec<i64> = chunk.iter().map(|(ended, tag)| first_place(*ended, *tag)).collect();
            there.extend(ids.iter().map(|id| (*id, None)));
            let query = request_rows::table.filter(request_rows::id.eq_any(ids));
            let found: Vec<(i64, i64)> = query.select((request_rows::id, request_rows::tag)).load(db)?;
            there.extend(found.into_iter().map(|(id, tag)| (id, Some(tag))));
        }
        Ok(Self { there, asks: true, ..Self::default() })
    }

    /// The row's place, which is its own from now on; `None`: it is there already.
    pub(super) fn take(&mut self, db: &mut Db, ended: Micros, tag: i64) -> Result<Option<i64>, StoreError> {
        let id = first_place(ended, tag);
        match self.there.get(&id) {
            Some(Some(other)) if *other == tag => Ok(None),
            Some(Some(_)) => {
                let crowd = match self.crowds.entry(ended) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => {
                        new.insert(if self.asks { Crowd::load(db, ended)? } else { Crowd::default() })
                    }
                };
                Ok(crowd.take(ended, tag))
            }
            Some(None) | None => {
                self.there.insert(id, Some(tag));
                Ok(Some(id))
            }
        }
    }
}

/// Where a row is looked for first.
fn first_place(ended: Micros, tag: i64) -> i64 {
    first_id(ended) + tag % FIRST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_tells_its_time_is_told_by_the_tag() {
        let row = |id: &str, started_us| RequestRow {
            key: RowKey(7 << 80 | 5 << 40 | 3),
            request_id: id.to_owned(),
            started_us,
            duration_us: 2_345_678,
            ..RequestRow::default()
        };
        let made = 0x19a_c0ff_ee00_i64;
        for ahead in [-8, -1, 0, 1, 7] {
            let row = row("019ac0ffee00fedcba987", (made - ahead) * 1000 + 999);
            let row = RequestRow { request_id: row.request_id[1..].to_owned(), ..row };
            assert_eq!(row.request_id.len(), 20);
            let millis = i64::from_str_radix(&row.request_id[..11], 16).unwrap();
            let row = RequestRow { started_us: (millis - ahead) * 1000 + 999, ..row };
            let told = StoredId::of(&row);
            assert_eq!(told.request_id, None, "{ahead}");
            assert!((0..OTHER).contains(&told.tag), "{ahead}");
            let id = first_place(row.ended_us(), told.tag);
            assert_eq!(ended_of(id), row.ended_us());
            assert_eq!(made_id(id, row.duration_us, told.tag), row.request_id);
        }
        let far = "019ac0ffee0fedcba987";
        let millis = i64::from_str_radix(&far[..11], 16).unwrap();
        for (id, started) in [
            (far, (millis - 9) * 1000 + 999),
            (far, (millis + 9) * 1000),
            ("", millis * 1000),
            ("mine", millis * 1000),
            ("019AC0FFEE0FEDCBA987", millis * 1000),
            ("00000000000fedcba987", -3_000_000),
        ] {
            let row = row(id, started);
            let told = StoredId::of(&row);
            assert_eq!((told.request_id, told.tag), (Some(id), OTHER | 8));
        }
    }

    #[test]
    fn ids_are_in_the_order_of_time() {
        for ended in [-LATEST, -5, -1, 0, 1, 1_772_323_200_000_000, LATEST] {
            assert!(ended == LATEST || first_id(ended) + WITHIN == first_id(ended + 1));
            assert_eq!((ended_of(first_id(ended)), ended_of(first_id(ended) + (WITHIN - 1))), (ended, ended));
            assert_eq!(within(first_id(ended) + 5), 5);
        }
        assert!(first_id(i64::MAX) > 0 && first_id(i64::MIN) < 0);
    }
}
