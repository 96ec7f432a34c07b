//! Reload: what a changed configuration means for a manager that runs.
//!
//! [`plan`] compares the specs before and after. A difference that no list here names counts as a changed launch, or of
//! `program` as one that needs a restart of the manager: a key that is forgotten here is still never ignored.

mod describe;
mod keys;

use crate::spec::{ModelSpec, Spec};
use std::collections::BTreeSet;

/// What follows from a new configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReloadPlan {
    /// Models of the new file in its order, then those that it no longer has. Unchanged ones are left out.
    pub models: Vec<ModelChange>,
    /// How many models stay as they are.
    pub unchanged: usize,
    /// What changes at once, such as `program.log_level`, `modes`, `devices`.
    pub in_place: Vec<String>,
    /// What stays as it was until the manager is started again, such as `program.port`.
    pub needs_restart: Vec<String>,
}

/// What happens to one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelChange {
    /// Its name; of a removed one the old name.
    pub model: String,
    /// What happens.
    pub change: Change,
}

/// What happens to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// These keys change while it runs on.
    InPlace(Vec<&'static str>),
    /// These keys change; a backend of one of these variants is restarted once its answers have ended.
    Relaunched {
        /// Variants, by their names before, that are launched otherwise now or are gone.
        variants: Vec<String>,
        /// What else changes.
        keys: Vec<&'static str>,
    },
    /// It is new.
    Added,
    /// It is new, and the data of these names are its own. Models among them that leave the file drain.
    Renamed {
        /// Names that leave the file, or that only the ledger knows.
        from: Vec<String>,
    },
    /// It is not in the file any more: no new request reaches it, and it ends with the last one it has.
    Removed {
        /// The model that takes its data over.
        data_to: Option<String>,
    },
}

impl ReloadPlan {
    /// True if nothing changes.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty() && self.in_place.is_empty() && self.needs_restart.is_empty()
    }

    /// What happens to this model; `None`: nothing.
    pub fn of(&self, model: &str) -> Option<&Change> {
        self.models.iter().find(|change| change.model == model).map(|change| &change.change)
    }

    /// Names of models whose backends are restarted if they run as a variant that has changed.
    pub fn restarted(&self) -> impl Iterator<Item = &str> {
        let relaunched = self.models.iter().filter(|one| matches!(one.change, Change::Relaunched { .. }));
        relaunched.map(|one| one.model.as_str())
    }

    /// Everything that changes without a restart of anything: keys of `program`, sections, and models.
    pub fn changed(&self) -> impl Iterator<Item = &str> {
        let models = self.models.iter().filter(|one| !matches!(one.change, Change::Relaunched { .. }));
        self.in_place.iter().map(String::as_str).chain(models.map(|one| one.model.as_str()))
    }
}

/// What changes when `new` takes the place of `old`.
pub fn plan(old: &Spec, new: &Spec) -> ReloadPlan {
    let mut plan = ReloadPlan::default();
    let find = |spec: &'_ Spec, name: &str| spec.models.iter().find(|model| model.name == name).cloned();
    for model in &new.models {
        let change = match find(old, &model.name) {
            Some(before) => changed(&before, model),
            None => Some(arrival(model, new)),
        };
        match change {
            Some(change) => plan.models.push(ModelChange { model: model.name.clone(), change }),
            None => plan.unchanged += 1,
        }
    }
    for model in old.models.iter().filter(|model| find(new, &model.name).is_none()) {
        let data_to = new.models.iter().find(|one| one.formerly.contains(&model.name));
        let change = Change::Removed { data_to: data_to.map(|one| one.name.clone()) };
        plan.models.push(ModelChange { model: model.name.clone(), change });
    }
    let (in_place, needs_restart) = keys::of_program(&old.program, &new.program);
    plan.in_place.extend(in_place.into_iter().map(|key| format!("program.{key}")));
    plan.needs_restart.extend(needs_restart.into_iter().map(|key| format!("program.{key}")));
    if old.modes != new.modes {
        plan.in_place.push("modes".to_owned());
    }
    if old.keys != new.keys {
        plan.in_place.push("keys".to_owned());
    }
    if old.devices != new.devices || old.shared_devices != new.shared_devices {
        plan.in_place.push("devices".to_owned());
    }
    if old.notify != new.notify {
        plan.in_place.push("notify".to_owned());
    }
    if old.logs != new.logs {
        plan.needs_restart.push("logs".to_owned());
    }
    if old.base_dir != new.base_dir {
        plan.needs_restart.push("the folder of the configuration".to_owned());
    }
    plan
}

/// What a change of both means for a model that keeps its name.
fn changed(old: &ModelSpec, new: &ModelSpec) -> Option<Change> {
    let keys = keys::of_model(old, new);
    let variants: Vec<String> = if keys::is_launched_otherwise(old, new) {
        old.variants.iter().map(|variant| variant.name.clone()).collect()
    } else {
        let stays = |name: &str| new.variants.iter().find(|variant| variant.name == name);
        let differs = old
            .variants
            .iter()
            .filter(|variant| stays(&variant.name).is_none_or(|after| keys::is_other_launch(variant, after)));
        differs.map(|variant| variant.name.clone()).collect()
    };
    match (variants.is_empty(), keys.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Change::InPlace(keys)),
        _ => Some(Change::Relaunched { variants, keys }),
    }
}

fn arrival(model: &ModelSpec, new: &Spec) -> Change {
    // A name that is in use again has data of its own.
    let taken: BTreeSet<&str> = new.models.iter().map(|model| model.name.as_str()).collect();
    let from: Vec<String> =
        model.formerly.iter().filter(|name| !taken.contains(name.as_str())).cloned().collect();
    if from.is_empty() { Change::Added } else { Change::Renamed { from } }
}

/// What follows for a model that keeps its name; `None`: nothing.
pub fn model_change(old: &ModelSpec, new: &ModelSpec) -> Option<Change> {
    changed(old, new)
}

/// `new` as far as it can be in force in a manager that runs with `old`.
pub fn in_force(old: &Spec, new: Spec) -> Spec {
    Spec { program: keys::with_fixed(&old.program, new.program), logs: old.logs.clone(), ..new }
}
