//! `program.shared`: what several managers of one ledger can't have.

use llm_manager_policy::spec::{ModelSpec, Place, ProgramSpec};

use super::fields::{Fields, Walk};
use super::line_index::KeyPath;

/// What another manager could not take over is refused.
pub(super) fn check(walk: &mut Walk<'_>, fields: &Fields<'_>, program: &ProgramSpec, models: &[ModelSpec]) {
    if !program.database.contains("://") {
        let hint = "set `program.database` to a postgres:// address, or remove `shared`".to_owned();
        walk.error(&fields.at("shared"), "managers share a ledger in PostgreSQL only", Some(hint));
    }
    for model in models {
        for variant in model.variants.iter().filter(|variant| variant.place == Place::Local) {
            let path = KeyPath::default().key("Local-Models").key(&model.name).key(&variant.name);
            let hint = "give it `on: {slurm: ...}`, `on: {kubernetes: ...}` or `on: {url: ...}`; what belongs to one machine is the business of a manager of its own there, which this one can use by `on: {url: ...}`";
            let message = "can't be shared (`program.shared`): it runs on one machine, which no other manager can look after".to_owned();
            walk.error(&path, message, Some(hint.to_owned()));
        }
    }
}
