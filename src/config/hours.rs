//! `keep_warm` and `quiet`: hours of the week.

use super::fields::{Fields, Walk};
use llm_manager_actors::hours;
use llm_manager_policy::hours::Hours;

/// The entries that are right.
pub(super) fn read(walk: &mut Walk<'_>, fields: &Fields<'_>, key: &str) -> Vec<Hours> {
    let mut all: Vec<Hours> = Vec::new();
    for (index, text) in fields.texts(key).into_iter().enumerate() {
        let at = fields.at(key).item(index);
        let entry = match Hours::parse(text) {
            Ok(entry) => entry,
            Err(why) => {
                walk.error(&at, format!("{text:?}: {why}"), None);
                continue;
            }
        };
        if let Err(why) = hours::zone(&entry) {
            let hint = "write a name of the time zone database, such as Europe/Berlin, Asia/Shanghai or UTC";
            walk.error(&at, why, Some(hint.to_owned()));
            continue;
        }
        if let Some(other) = all.iter().find(|other| other.overlap(&entry)) {
            let message = format!("overlaps {:?}", other.text());
            walk.warn(&at, message, Some("together they count as one stretch of time".to_owned()));
        }
        all.push(entry);
    }
    all
}
