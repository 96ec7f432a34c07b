//! What the metrics are called, and what they mean. `docs/reference/metrics.md` is made from this list.

use prometheus_client::registry::Unit;

/// A metric, without its samples.
#[derive(Debug)]
pub(super) struct About {
    /// As the library takes it: the encoded name ends in the unit, and that of a counter in `_total`.
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    unit: &'static str,
    #[cfg(test)]
    labels: &'static str,
    #[cfg(test)]
    kind: &'static str,
}

impl About {
    pub(super) fn unit(&self) -> Option<Unit> {
        match self.unit {
            "" => None,
            "seconds" => Some(Unit::Seconds),
            "bytes" => Some(Unit::Bytes),
            "celsius" => Some(Unit::Celsius),
            "joules" => Some(Unit::Joules),
            other => Some(Unit::Other(other.to_owned())),
        }
    }
}

macro_rules! families {
    ($($id:ident: $kind:literal, $name:literal, $unit:literal, $labels:literal, $help:literal;)*) => {
        $(pub(super) static $id: About = About {
            name: $name,
            help: $help,
            unit: $unit,
            #[cfg(test)]
            labels: $labels,
            #[cfg(test)]
            kind: $kind,
        };)*

        #[cfg(test)]
        static ALL: &[&About] = &[$(&$id),*];
    };
}

families! {
    MODEL_STATE: "gauge", "llm_manager_model_state", "", "model, state", "1 for the model's current state";
    MODEL_LEASES: "gauge", "llm_manager_model_leases", "", "model", "Requests that its backend is working on";
    MODEL_WAITING: "gauge", "llm_manager_model_waiting", "", "model", "Requests waiting for its backend";
    QUEUE: "gauge", "llm_manager_queue", "", "model, class", "Requests waiting for its backend; class is batch, normal or interactive";
    MODEL_FAILURES: "gauge", "llm_manager_model_failures", "", "model", "Failures since its last stable run";
    MODEL_RUNS: "counter", "llm_manager_model_runs", "", "model", "Launches of its backend";
    MODEL_WAKE: "gauge", "llm_manager_model_wake", "seconds", "model, measured", "What a wake of a model that runs takes; measured is false while it is an estimate";
    MODEL_PARKED_MEMORY: "gauge", "llm_manager_model_parked_memory", "bytes", "model, device", "What a parked model holds";
    REQUESTS: "counter", "llm_manager_requests", "", "model, outcome", "Requests that have ended; outcome is ok, rejected, backend_error, client_left, refused, cancelled or failed";
    TOKENS: "counter", "llm_manager_tokens", "", "model, kind", "Tokens of requests that have ended; kind is input (with cached), cached or output";
    COST: "counter", "llm_manager_cost", "", "model, kind, currency", "Price of requests (kind request), of ready time by the hour (run) and of electricity (energy), in units of the currency";
    ENERGY: "counter", "llm_manager_energy", "joules", "model", "What the runs of a model drew, by the measured power of its devices";
    CAPTURES: "gauge", "llm_manager_captures", "", "", "Requests whose bodies are kept (`capture: true`)";
    CAPTURES_BYTES: "gauge", "llm_manager_captures_size", "bytes", "", "What they take on the disk";
    CAPTURES_MISSED: "counter", "llm_manager_captures_missed", "", "", "Requests whose bodies should have been kept, and were not: no memory, or the disk does not keep up";
    DEVICE_ONLINE: "gauge", "llm_manager_device_online", "", "device, id", "1 while the device responds";
    DEVICE_MEMORY_TOTAL: "gauge", "llm_manager_device_memory_total", "bytes", "device, id", "Memory of the device";
    DEVICE_MEMORY_USED: "gauge", "llm_manager_device_memory_used", "bytes", "device, id", "Memory in use by all programs";
    DEVICE_MEMORY_RESERVED: "gauge", "llm_manager_device_memory_reserved", "bytes", "device, id", "Memory reserved for models";
    DEVICE_UTILIZATION: "gauge", "llm_manager_device_utilization", "ratio", "device, id", "Share of time in use, from 0 to 1";
    DEVICE_TEMPERATURE: "gauge", "llm_manager_device_temperature", "celsius", "device, id", "Temperature of the device";
    DEVICE_POWER: "gauge", "llm_manager_device_power", "watts", "device, id", "Power that the device draws";
    LEDGER_READABLE: "gauge", "llm_manager_ledger_readable", "", "", "1 while reports can be read from the ledger";
    LEDGER_WRITABLE: "gauge", "llm_manager_ledger_writable", "", "", "0 while rows go into the overflow file because the ledger can't be written";
    LEDGER_QUEUE: "gauge", "llm_manager_ledger_queue", "", "", "Rows waiting to be written";
    LEDGER_WRITTEN: "counter", "llm_manager_ledger_written", "", "", "Requests written to the ledger";
    LEDGER_SPILLED: "counter", "llm_manager_ledger_spilled", "", "", "Rows that went into the overflow file";
    LEDGER_LOST: "counter", "llm_manager_ledger_lost", "", "", "Requests that could not be kept anywhere; alert on it";
    LEDGER_LOST_ENTRIES: "counter", "llm_manager_ledger_lost_entries", "", "", "Entries of runs and of the audit that could not be kept anywhere; alert on it";
    LEDGER_REJECTED: "counter", "llm_manager_ledger_rejected", "", "", "Rows that the database rejected";
    LEDGER_FAILURES: "counter", "llm_manager_ledger_failures", "", "", "Batches that could not be written at the first attempt";
    USAGE_UNRECORDED: "counter", "llm_manager_usage_unrecorded", "", "", "Responses with an unknown token count";
    ACTOR_RESTARTS: "counter", "llm_manager_actor_restarts", "", "actor", "Restarts of the actor";
    KEY_BUDGET: "gauge", "llm_manager_key_budget", "", "key, period, unit", "Budget of a key; period is day or month, unit is tokens or a currency";
    KEY_BUDGET_LEFT: "gauge", "llm_manager_key_budget_left", "", "key, period, unit", "What is left of it in the current period";
    KEY_REFUSED: "counter", "llm_manager_key_refused", "", "key, limit", "Requests of a key refused by one of its limits: requests (per minute), tokens (per minute) or budget";
    RELOADS: "counter", "llm_manager_reloads", "", "result", "Reloads of the configuration; result is applied or refused (it had errors)";
    BUILD_INFO: "gauge", "llm_manager_build_info", "", "version", "The manager's version";
    PROCESS_START_TIME: "gauge", "process_start_time", "seconds", "", "When the manager was started, in seconds since 1970";
    PROCESS_RESIDENT_MEMORY: "gauge", "process_resident_memory", "bytes", "", "Memory of the manager";
    PROCESS_CPU: "counter", "process_cpu", "seconds", "", "CPU time that the manager has used";
    REQUEST_DURATION: "histogram", "llm_manager_request_duration", "seconds", "model", "From a request's arrival to its end";
    FIRST_BYTE: "histogram", "llm_manager_first_byte", "seconds", "model", "From a request's arrival to the first byte of its response";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{assert_block, cell};
    use std::fmt::Write;

    #[test]
    fn the_reference_has_every_metric() {
        let mut table = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
        let mut names = Vec::new();
        for about in ALL {
            let unit = if about.unit.is_empty() { String::new() } else { format!("_{}", about.unit) };
            let total = if about.kind == "counter" { "_total" } else { "" };
            let name = format!("{}{unit}{total}", about.name);
            let labels: Vec<_> = about.labels.split(", ").filter(|label| !label.is_empty()).collect();
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
            let _ = writeln!(table, "| `{name}` | {} | {labels} | {} |", about.kind, cell(about.help));
            names.push(name);
        }
        assert_block("docs/reference/metrics.md", "metrics", &table);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let chinese = std::fs::read_to_string(root.join("docs/reference/metrics.zh-CN.md")).unwrap();
        let missing: Vec<_> = names.iter().filter(|name| !chinese.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "docs/reference/metrics.zh-CN.md lacks {missing:?}");
    }
}
