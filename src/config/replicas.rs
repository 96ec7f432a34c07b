//! `replicas` of a model, and `renew_before` of a variant, whose successor is one more for a while.

use llm_manager_policy::cluster::time_limit;
use llm_manager_policy::replicas::{MOST, Replicas, name};
use llm_manager_policy::spec::{ModelSpec, Place, VariantSpec};
use std::time::Duration;

use super::fields::{Fields, Walk};
use super::keys::Section;
use super::line_index::KeyPath;

/// `replicas`, with seats for the successors of variants that have `renew_before`.
pub(super) fn read(walk: &mut Walk<'_>, model: &Fields<'_>, variants: &[VariantSpec]) -> Replicas {
    let replicas = own(walk, model);
    if variants.iter().all(|variant| variant.renew_before.is_none()) {
        return replicas;
    }
    if replicas.max > MOST / 2 {
        let message = format!("{} replicas with a successor each are more than {MOST}", replicas.max);
        let hint = format!("lower it to {}, or remove `renew_before`", MOST / 2);
        walk.error(&model.at("replicas").key("max"), message, Some(hint));
    }
    Replicas { spare: replicas.max, ..replicas }
}

/// `renew_before` of a variant: only jobs and Pods have a time limit. That of a Pod is known when it runs.
pub(super) fn renew_before(
    walk: &mut Walk<'_>,
    variant: &Fields<'_>,
    place: Option<&Place>,
) -> Option<Duration> {
    let before = variant.time("renew_before", 1.0)?;
    let at = variant.at("renew_before");
    match place {
        Some(Place::Slurm(ask)) => {
            let limit = ask.time.as_deref().and_then(time_limit).filter(|limit| *limit <= before);
            if let Some(limit) = limit {
                let message = format!(
                    "{} s are not less than the time limit of the job, which is {} s",
                    before.as_secs_f64(),
                    limit.as_secs()
                );
                let hint = "lower it, or raise `on.slurm.time`; it has to cover the start of a successor";
                walk.error(&at, message, Some(hint.to_owned()));
            }
            Some(before)
        }
        Some(Place::Kubernetes(_)) => Some(before),
        // What is wrong with it has been told.
        None => None,
        Some(_) => {
            let hint = "remove it, or run the variant as a job: `on: {slurm: {time: \"8:00:00\"}}`";
            walk.error(&at, "only a job or a Pod of a cluster has a time limit", Some(hint.to_owned()));
            None
        }
    }
}

fn own(walk: &mut Walk<'_>, model: &Fields<'_>) -> Replicas {
    let Some(value) = model.value("replicas") else { return Replicas::ONE };
    let fields = walk.fields(Section::Replicas, &model.at("replicas"), value);
    walk.refuse_unknown(&fields);
    let whole = |key: &str| fields.whole(key).and_then(|count| u32::try_from(count).ok());
    let replicas = Replicas {
        min: whole("min").unwrap_or(Replicas::ONE.min),
        max: whole("max").unwrap_or(Replicas::ONE.max),
        spare: 0,
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
    let replicas = models
        .iter()
        .flat_map(|model| (2..=model.replicas.seats()).map(move |number| (name(&model.name, number), model)));
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
