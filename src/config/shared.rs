//! `program.shared`: what several managers of one ledger can't have.

use llm_manager_policy::spec::{ModelSpec, Place, ProgramSpec};

use super::fields::{Fields, Walk};
use super::locate::KeyPath;

/// What another manager could not take over is refused.
pub(super) fn check(walk: &mut Walk<'_>, fields: &Fields<'_>, program: &ProgramSpec, models: &[ModelSpec]) {
    if !program.database.contains("://") {
        let hint = "set `program.database` to a postgres:// address, or remove `shared`".to_owned();
        walk.error(&fields.at("shared"), "managers share a ledger in PostgreSQL only", Some(hint));
    }
    for model in models {
        for variant in &model.variants {
            let what = match variant.place {
                Place::Local => "runs on one machine, which no other manager can look after",
                Place::Kubernetes(_) => "runs as a Pod, which managers can't hand over yet",
                Place::Slurm(_) | Place::Url(_) => continue,
            };
            let path = KeyPath::default().key("Local-Models").key(&model.name).key(&variant.name);
            let hint = "give it `on: {slurm: ...}` or `on: {url: ...}`; what belongs to one machine is the business of a manager of its own there, which this one can use by `on: {url: ...}`";
            let message = format!("can't be shared (`program.shared`): it {what}");
            walk.error(&path, message, Some(hint.to_owned()));
        }
    }
}
