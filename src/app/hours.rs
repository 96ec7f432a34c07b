//! Looks at the clock for models with hours: tells them when they are kept warm, and when `batch` may not start them.

use super::tree::ModelRoster;
use jiff::{SignedDuration, Timestamp};
use llm_manager_actors::billing::Ledger;
use llm_manager_actors::model::{ModelHandle, WarmHours};
use llm_manager_actors::{hours, tell};
use llm_manager_ledger::AuditRow;
use llm_manager_policy::ending::EndCause;
use llm_manager_policy::hours::{HoursView, Start, WarmState, keep, lead};
use llm_manager_policy::model_state::ModelState;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Between two looks. The clock may be set meanwhile: what it shows is read anew each time.
const LOOK: Duration = Duration::from_secs(2);

/// Looks until the program stops.
pub(super) async fn watch(roster: ModelRoster, ledger: Ledger, origin: Instant, stopping: CancellationToken) {
    let mut known: HashMap<u64, WarmState> = HashMap::new();
    loop {
        let models = roster.models();
        known.retain(|id, _| models.iter().any(|model| model.id() == *id));
        for model in &models {
            let before = known.get(&model.id()).copied().unwrap_or_default();
            // Those without hours cost nothing, unless they had some before a reload.
            if model.spec.keep_warm.is_empty() && model.spec.quiet.is_empty() && !before.warm {
                model.set_quiet_until(None);
                continue;
            }
            let after = look(model, before, &ledger, origin);
            known.insert(model.id(), after);
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(LOOK) => (),
        }
    }
}

fn look(model: &ModelHandle, before: WarmState, ledger: &Ledger, origin: Instant) -> WarmState {
    let spec = &model.spec;
    let now = Timestamp::now();
    // Hours without an end are asked for again in a day.
    let day = || now.checked_add(SignedDuration::from_hours(24)).ok();
    let quiet = hours::cover(&spec.quiet, now).then(|| hours::end(&spec.quiet, now).or_else(day)).flatten();
    model.set_quiet_until(quiet);
    let lead = lead(model.last_start(), spec.start_timeout);
    let soon = SignedDuration::try_from(lead).ok().and_then(|lead| now.checked_add(lead).ok()).unwrap_or(now);
    let status = model.status();
    let down = matches!(status.state, ModelState::Stopped | ModelState::Failed);
    let by_order = status.runs.first().is_some_and(|run| run.cause == EndCause::Operator);
    let wanted = hours::cover(&spec.keep_warm, now) || hours::cover(&spec.keep_warm, soon);
    let seen = HoursView { now: origin.elapsed(), wanted, down, by_order };
    let (after, start) = keep(before, seen);
    if (after.warm != before.warm || start.is_some())
        && let Some(addr) = model.actor().addr()
    {
        if after.warm != before.warm {
            let what = if after.warm { "begin: it is kept warm" } else { "are over" };
            log::info!("models/{}: the hours of keep_warm {what}", spec.name);
        }
        if let Some(start) = start {
            note(ledger, &spec.name, start);
        }
        tell(&addr, WarmHours { warm: after.warm, start });
        return after;
    }
    // Its actor is being restarted: it is told at the next look.
    if model.actor().addr().is_none() { WarmState::default() } else { after }
}

fn note(ledger: &Ledger, model: &str, start: Start) {
    let detail = match start {
        Start::MakesRoom => "its hours begin",
        Start::IfThereIsRoom => "it was not running within its hours",
    };
    ledger.audit(AuditRow {
        kind: "rule".to_owned(),
        who: "keep_warm".to_owned(),
        action: "start".to_owned(),
        subject: Some(model.to_owned()),
        detail: Some(detail.to_owned()),
        ..AuditRow::default()
    });
}
