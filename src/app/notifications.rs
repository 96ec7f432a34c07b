//! Looks at what may be worth a word to those of `notify:`, and tells the Notifier what is new.

use super::tree::ModelRoster;
use crate::http::{Current, Management};
use crate::tls;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use llm_manager_actors::notifier::{NotificationHistory, Notifications, NotifierSettings, Outlets};
use llm_manager_actors::quotas::{Quota, Remains};
use llm_manager_actors::supervisor::ask;
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::notify::{Budget, Certificate, Memory, ModelObservation, Observations, look};
use llm_manager_policy::pricing::Price;
use llm_manager_policy::spec::{Cap, Period, Spec, TlsSpec};
use llm_manager_process as process;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Every so many looks the budgets are looked at: of a key that nobody has seen yet, the ledger is asked.
const BUDGETS: u32 = 3;
/// The same of the certificate.
const CERTIFICATE: u32 = 30;

/// Whom word goes out to, by this configuration.
pub(super) fn outlets(spec: &Spec) -> Outlets {
    Outlets { specs: spec.notify.clone(), hidden: spec.secret_variables.clone() }
}

/// The way to the Notifier, whose actor is not up yet. Blocks for a moment.
pub(super) fn start(spec: &Spec, state_dir: &Path, instance: &str) -> Notifications {
    Notifications::new(NotifierSettings {
        outlets: Arc::new(ArcSwap::from_pointee(outlets(spec))),
        told: NotificationHistory::load(state_dir.join("notified.json")),
        folder: spec.base_dir.clone(),
        marks: process::helper_env("notify", state_dir, instance),
        host: sysinfo::System::host_name().unwrap_or_else(|| "an unknown host".to_owned()),
    })
}

/// Looks until the program stops.
pub(super) async fn watch(
    notifications: Notifications,
    roster: ModelRoster,
    in_force: Current<Management>,
    tls: Option<TlsSpec>,
) {
    let stopping = in_force.now().stopping.clone();
    let mut memory = Memory::default();
    let mut unheard = false;
    for count in 0_u32.. {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK) => (),
        }
        if !notifications.is_wanted() {
            unheard = true;
            continue;
        }
        let now = in_force.now();
        let budgets = if count.is_multiple_of(BUDGETS) { budgets(&now).await } else { None };
        let certificate = match &tls {
            Some(tls) if count.is_multiple_of(CERTIFICATE) && !unheard => certificate(tls).await,
            _ => None,
        };
        let seen = Observations { budgets, certificate, ..seen(&now, &roster) };
        drop(now);
        let (after, notices) = look(memory, &seen);
        memory = after;
        // What happened while nobody wanted to hear of it is no news now.
        if !std::mem::take(&mut unheard) {
            notices.into_iter().for_each(|notice| notifications.happened(notice));
        }
    }
}

/// What can be seen without asking anybody.
fn seen(now: &Management, roster: &ModelRoster) -> Observations {
    let model = |model: &Arc<llm_manager_actors::model::ModelHandle>| {
        let status = model.status();
        ModelObservation {
            name: model.spec.name.clone(),
            failed: status.state == ModelState::Failed,
            failures: status.failures,
            error: status.last_error.as_deref().unwrap_or_default().to_owned(),
        }
    };
    let snapshot = now.devices.latest();
    let device = |one: &llm_manager_devices::Sample| (one.id().to_owned(), one.name.clone(), one.online);
    let ledger = now.ledger.status();
    Observations {
        models: roster.models().iter().map(model).collect(),
        devices: snapshot.devices.iter().map(device).collect(),
        rows_wait: ledger.waits_in_overflow.then_some(ledger.last_error),
        ..Observations::default()
    }
}

/// The budgets of all keys; `None`: nobody knows now.
async fn budgets(now: &Management) -> Option<Vec<Budget>> {
    let quotas = now.access.keys.all().iter().filter_map(|key| key.quota.clone());
    let quotas: Vec<Arc<Quota>> = quotas.filter(|quota| quota.budget.is_some()).collect();
    if quotas.is_empty() {
        return Some(Vec::new());
    }
    let remaining = ask(&now.quotas.addr()?, Remains(quotas)).await?;
    let budget = |one: &llm_manager_actors::quotas::Remaining| {
        let ((period, used), [_, _, refused]) = (one.used, one.refused);
        let cap = one.quota.limits().budget?;
        let words = words(&one.quota)?;
        Some(Budget { key: one.quota.key.to_string(), period, cap, used, refused, words })
    };
    Some(remaining.iter().filter_map(budget).collect())
}

fn words(quota: &Quota) -> Option<String> {
    let budget = quota.budget?;
    let period = match budget.period {
        Period::Day => "day",
        Period::Month => "month",
    };
    let amount = match budget.cap {
        Cap::Tokens(tokens) => format!("{tokens} tokens"),
        Cap::Money { units, currency } => format!("{} {currency}", Price::from_units(units)),
    };
    Some(format!("{amount} a {period}"))
}

async fn certificate(tls: &TlsSpec) -> Option<Certificate> {
    let path = tls.cert.clone();
    let read = actix_web::rt::task::spawn_blocking(move || tls::ends_at(&path)).await.ok()?;
    // That it can't be read is told where it is served.
    let ends = read.ok()?;
    Some(Certificate {
        path: tls.cert.display().to_string(),
        seconds_left: ends.duration_since(Timestamp::now()).as_secs(),
        ends: ends.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    })
}
