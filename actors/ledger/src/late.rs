//! Rows that were recorded while the wall's clock was behind, such as that of a computer that has just begun and knows no
//! time. Their times are old at once; retention leaves them until so much time was seen passing since.

use super::db::Db;
use super::error::StoreError;
use super::row::Micros;

/// Where they are noted, in `meta`: the first id, the last one, and the time that was seen when that was recorded.
const LATE: &str = "late_rows";
/// A clock that is behind by less matters to nobody: retention goes by days.
const MUCH: Micros = 86_400_000_000;

/// Among these ids are all such rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Late {
    from: i64,
    to: i64,
    seen: Micros,
}

impl Late {
    fn read(db: &mut Db) -> Result<Option<Self>, StoreError> {
        let words = db.words(&format!("SELECT value AS word FROM meta WHERE name = '{LATE}'"))?;
        let numbers: Vec<i64> =
            words.iter().flat_map(|text| text.split(' ')).filter_map(|one| one.parse().ok()).collect();
        Ok(match numbers[..] {
            [from, to, seen] => Some(Self { from, to, seen }),
            _ => None,
        })
    }

    /// Those that retention by `cutoff` has to leave. When none are left to be spared, nothing is noted any more.
    pub(super) fn spared(db: &mut Db, cutoff: Micros) -> Result<Option<Self>, StoreError> {
        let late = Self::read(db)?;
        if late.is_some_and(|late| late.seen < cutoff) {
            forget(db)?;
        }
        Ok(late.filter(|late| late.seen >= cutoff))
    }

    /// As a condition on rows of requests.
    pub(super) fn condition(self) -> String {
        format!("id BETWEEN {} AND {}", self.from, self.to)
    }
}

/// Whether a row that ended then is such a one.
pub(super) fn is_late(ended: Micros, seen: Option<Micros>) -> bool {
    seen.is_some_and(|seen| ended < seen.saturating_sub(MUCH))
}

/// The newest row.
pub(super) fn last_row(db: &mut Db) -> Result<i64, StoreError> {
    db.number("SELECT COALESCE(MAX(id), 0) AS number FROM requests")
}

/// Notes those that were recorded after the row `before`.
pub(super) fn note(db: &mut Db, before: i64, seen: Micros) -> Result<(), StoreError> {
    let from = Late::read(db)?.map_or(before + 1, |late| late.from);
    let to = last_row(db)?;
    db.set_meta(LATE, &format!("{from} {to} {seen}"))
}

/// A person says that the clock is right.
pub(super) fn forget(db: &mut Db) -> Result<(), StoreError> {
    db.run(&format!("DELETE FROM meta WHERE name = '{LATE}'"))
}
