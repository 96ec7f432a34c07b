//! `replicas` of a model.

use llm_manager_policy::replicas::{Replicas, name};
use llm_manager_policy::spec::ModelSpec;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::locate::KeyPath;

pub(super) fn read(walk: &mut Walk<'_>, model: &Fields<'_>) -> Replicas {
    let Some(value) = model.value("replicas") else { return Replicas::ONE };
    let fields = walk.fields(Section::Replicas, &model.at("replicas"), value);
    walk.refuse_unknown(&fields);
    let whole = |key: &str| fields.whole(key).and_then(|count| u32::try_from(count).ok());
    let replicas = Replicas {
        min: whole("min").unwrap_or(Replicas::ONE.min),
        max: whole("max").unwrap_or(Replicas::ONE.max),
        scale_up_after: fields.time("scale_up_after", 1.0).unwrap_or(Replicas::ONE.scale_up_after),
    };
    if replicas.min > replicas.max {
        let message = format!("{} is more than `max`, which is {}", replicas.min, replicas.max);
        let hint = "lower `min`, or raise `max`".to_owned();
        walk.error(&fields.at("min"), message, Some(hint));
    }
    if replicas.max > 1 && model.is_given("port") {
        let message = format!("{} replicas can't listen on one port", replicas.max);
        let hint = "remove `port`: each replica is given a free port in the variable PORT, and in `{port}` of a `command`";
        walk.error(&model.at("port"), message, Some(hint.to_owned()));
    }
    replicas
}

/// Replicas have names, which no other model may have.
pub(super) fn names_are_free(walk: &mut Walk<'_>, models: &[ModelSpec]) {
    let replicas = models.iter().flat_map(|model| {
        let most = usize::try_from(model.replicas.max).unwrap_or_default();
        (2..=most).map(move |number| (name(&model.name, number), model))
    });
    for (taken, of) in replicas {
        for model in models {
            let path = KeyPath::default().key("Local-Models").key(&model.name);
            let message = format!("`{taken}` is the name of a replica of the model `{}`", of.name);
            let hint = Some("give it another name".to_owned());
            if model.name == taken {
                walk.error(&path, message, hint);
            } else if let Some(index) = model.aliases.iter().position(|alias| *alias == taken) {
                walk.error(&path.key("aliases").item(index), message, hint);
            }
        }
    }
}
