//! Which keys can change while the manager, or a backend, runs on.

use crate::spec::{ModelSpec, ProgramSpec, VariantSpec};

/// Takes each of these fields over from `$new`, and collects the names of those that differed.
macro_rules! take_over {
    ($same:ident, $new:ident, $names:ident: $($field:ident as $name:literal),* $(,)?) => {
        $(if $same.$field != $new.$field {
            $same.$field.clone_from(&$new.$field);
            $names.push($name);
        })*
    };
}

/// Keys of `program` that differ: those that change at once, and those that need a restart.
pub(super) fn of_program(old: &ProgramSpec, new: &ProgramSpec) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut same = old.clone();
    let (mut in_place, mut fixed) = (Vec::new(), Vec::new());
    take_over!(same, new, in_place:
        log_level as "log_level",
        api_keys as "api_keys",
        allowed_hosts as "allowed_hosts",
        allowed_origins as "allowed_origins",
        watch_config as "watch_config",
        drain_timeout as "drain_timeout",
        queue_timeout as "queue_timeout",
        min_hold as "min_hold",
        max_hold as "max_hold",
        prefer_resident as "prefer",
        max_waiting as "max_waiting",
        max_body_bytes as "max_body_mb",
        log_retention_days as "log_retention_days",
        loading_comments as "loading_comments",
        log_json as "log_format",
        log_file as "log_file",
        log_requests as "log_requests",
        captures as "captures",
        trusted_proxies as "trusted_proxies",
        electricity as "electricity",
        watts as "electricity.watts",
    );
    take_over!(same, new, fixed:
        host as "host",
        port as "port",
        database as "database",
        shared as "shared",
        disable_gpu_monitoring as "Disable_GPU_monitoring",
        client_write_timeout as "client_write_timeout",
        base_path as "base_path",
        tls as "tls",
        traces as "traces",
    );
    if same != *new {
        fixed.push("(another key)");
    }
    (in_place, fixed)
}

/// `new` with the keys of `old` that need a restart.
pub(super) fn with_fixed(old: &ProgramSpec, new: ProgramSpec) -> ProgramSpec {
    ProgramSpec {
        host: old.host.clone(),
        port: old.port,
        database: old.database.clone(),
        shared: old.shared,
        disable_gpu_monitoring: old.disable_gpu_monitoring,
        client_write_timeout: old.client_write_timeout,
        base_path: old.base_path.clone(),
        tls: old.tls.clone(),
        traces: old.traces.clone(),
        ..new
    }
}

/// A model with everything of `new` that can change while its backend runs, and the names of what differed.
fn taken_over(old: &ModelSpec, new: &ModelSpec) -> (ModelSpec, Vec<&'static str>) {
    let mut same = old.clone();
    let mut names = Vec::new();
    take_over!(same, new, names:
        aliases as "aliases",
        formerly as "formerly",
        mode as "mode",
        auto_start as "auto_start",
        alive_time as "alive_time",
        keep_parked as "keep_parked",
        start_timeout as "start_timeout",
        stop_timeout as "stop_timeout",
        max_concurrency as "max_concurrency",
        priority as "priority",
        first_byte_timeout as "first_byte_timeout",
        idle_timeout as "idle_timeout",
        foreign_listener as "foreign_listener",
        stream_usage as "stream_usage",
        end_with_client as "end_with_client",
        bill_loading as "bill_loading",
        billing as "billing",
        pinned as "pinned",
        keep_warm as "keep_warm",
        quiet as "quiet",
        overlap as "overlap",
        capture as "capture",
        listed as "listed",
        context_length as "context_length",
        rewrite_model as "rewrite_model",
        read_ahead as "read_ahead",
        weights as "weights",
        replicas as "replicas",
    );
    let places = |model: &ModelSpec| -> Vec<_> {
        model.variants.iter().map(|one| (one.name.clone(), one.memory_mb.clone(), one.memory_auto)).collect()
    };
    let (before, after) = (places(old), places(new));
    if before != after {
        names.push(if before.iter().map(|one| &one.0).eq(after.iter().map(|one| &one.0)) {
            "memory_mb"
        } else {
            "variants"
        });
    }
    let way_of_asking = |model: &ModelSpec| -> Vec<_> {
        model.variants.iter().map(|one| (one.probe.clone(), one.stop_command.clone())).collect()
    };
    if way_of_asking(old) != way_of_asking(new) && before.len() == after.len() {
        names.push("probe, stop_command");
    }
    let way_to_sleep = |model: &ModelSpec| -> Vec<_> {
        model.variants.iter().map(|one| (one.park.clone(), one.parked_mb.clone())).collect()
    };
    let renewals =
        |model: &ModelSpec| -> Vec<_> { model.variants.iter().map(|one| one.renew_before).collect() };
    if renewals(old) != renewals(new) && before.len() == after.len() {
        names.push("renew_before");
    }
    if way_to_sleep(old) != way_to_sleep(new) && before.len() == after.len() {
        names.push("park, parked_mb");
    }
    (same, names)
}

/// Names of keys that differ and change in place.
pub(super) fn of_model(old: &ModelSpec, new: &ModelSpec) -> Vec<&'static str> {
    taken_over(old, new).1
}

/// Whether something differs that concerns every backend of the model, such as its port.
pub(super) fn is_launched_otherwise(old: &ModelSpec, new: &ModelSpec) -> bool {
    let (same, _) = taken_over(old, new);
    ModelSpec { variants: Vec::new(), ..same } != ModelSpec { variants: Vec::new(), ..new.clone() }
}

/// Whether a backend of the one is another than that of the other. What memory it wants, and how it is asked and stopped,
/// counts from the next start on.
pub(super) fn is_other_launch(old: &VariantSpec, new: &VariantSpec) -> bool {
    let same = VariantSpec {
        memory_mb: new.memory_mb.clone(),
        memory_auto: new.memory_auto,
        probe: new.probe.clone(),
        stop_command: new.stop_command.clone(),
        renew_before: new.renew_before,
        park: new.park.clone(),
        parked_mb: new.parked_mb.clone(),
        ..old.clone()
    };
    same != *new
}
