//! What a configuration decides of that which runs: at the start, and by a reload.

use super::label_key;
use crate::http::{Access, Entrance, Forwarding, Hosts, Keys, Management, Origins, Sessions, Wings};
use llm_manager_actors::model::{Directory, ModelHandle, Timeouts};
use llm_manager_policy::endpoints::Endpoints;
use llm_manager_policy::placement::{PlacementSettings, Prefer};
use llm_manager_policy::spec::{ProgramSpec, Spec};
use std::path::Path;
use std::sync::Arc;

pub(super) fn timeouts(program: &ProgramSpec) -> Timeouts {
    Timeouts { drain: program.drain_timeout, queue: program.queue_timeout }
}

pub(super) fn placement(program: &ProgramSpec) -> PlacementSettings {
    PlacementSettings {
        prefer: if program.prefer_resident { Prefer::Resident } else { Prefer::Best },
        min_hold: program.min_hold,
        max_hold: program.max_hold,
        queue_timeout: program.queue_timeout,
        ..PlacementSettings::default()
    }
}

/// Who may come in by this configuration. Blocks.
pub(super) fn access(spec: &Spec, state_dir: &Path, sessions: &Arc<Sessions>) -> Result<Access, String> {
    let program = &spec.program;
    let label_key = if program.api_keys.is_empty() { [0; 32] } else { label_key::load(state_dir)? };
    Ok(Access {
        keys: Keys::new(&program.api_keys, &spec.keys, &label_key, Arc::clone(sessions))?,
        hosts: Hosts::new(&program.host, &program.allowed_hosts),
        origins: Origins::new(&program.allowed_origins),
    })
}

/// Of what the wings of HTTP are given, that which a configuration decides.
pub(super) fn configured(
    before: Wings,
    spec: &Spec,
    access: &Arc<Access>,
    models: Vec<Arc<ModelHandle>>,
) -> Wings {
    let Wings { entrance, forwarding, management } = before;
    let program = &spec.program;
    let directory = Arc::new(Directory::new(models));
    let trusted_proxies: Arc<[_]> = program.trusted_proxies.as_slice().into();
    Wings {
        entrance: Entrance {
            access: Arc::clone(access),
            trusted_proxies: Arc::clone(&trusted_proxies),
            ..entrance
        },
        forwarding: Forwarding {
            access: Arc::clone(access),
            trusted_proxies,
            directory: Arc::clone(&directory),
            endpoints: Arc::new(Endpoints::new(spec.modes.iter().map(|mode| &**mode))),
            max_body_bytes: program.max_body_bytes,
            loading_comments: program.loading_comments,
            log_requests: program.log_requests,
            ..forwarding
        },
        management: Management {
            access: Arc::clone(access),
            directory,
            shared_devices: spec.shared_devices.as_slice().into(),
            retention_days: program.log_retention_days,
            ..management
        },
    }
}
