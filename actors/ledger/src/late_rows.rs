//! Rows that were recorded while the wall's clock was behind, such as that of a computer that has just begun and knows no
//! time. Their times are old at once; retention leaves them until so much time was seen passing since.

use super::db::Db;
use super::error::StoreError;
use super::row::Micros;
use super::row_id::first_id;

/// Where they are noted, in `meta`: the first end of such a row, the last one, and the time that was seen when that was recorded.
const LATE: &str = "late_times";
/// A clock that is behind by less matters to nobody: retention goes by days.
const MUCH: Micros = 86_400_000_000;

/// Between these times all such rows ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LateRows {
    from: Micros,
    to: Micros,
    seen: Micros,
}

impl LateRows {
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
        format!("id >= {} AND id < {}", first_id(self.from), first_id(self.to.saturating_add(1)))
    }

    /// Notes them beside those that were noted before.
    pub(super) fn note(self, db: &mut Db) -> Result<(), StoreError> {
        let Self { mut from, mut to, seen } = self;
        if let Some(known) = Self::read(db)? {
            (from, to) = (from.min(known.from), to.max(known.to));
        }
        db.set_meta(LATE, &format!("{from} {to} {seen}"))
    }
}

/// Those of rows that ended then and are such ones.
pub(super) fn those_of(ended: impl Iterator<Item = Micros>, seen: Option<Micros>) -> Option<LateRows> {
    let seen = seen?;
    let mut all: Option<LateRows> = None;
    for ended in ended.filter(|ended| *ended < seen.saturating_sub(MUCH)) {
        let late = all.get_or_insert(LateRows { from: ended, to: ended, seen });
        (late.from, late.to) = (late.from.min(ended), late.to.max(ended));
    }
    all
}

/// A person says that the clock is right.
pub(super) fn forget(db: &mut Db) -> Result<(), StoreError> {
    db.run(&format!("DELETE FROM meta WHERE name = '{LATE}'"))
}
