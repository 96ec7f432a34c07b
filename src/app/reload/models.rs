//! Models that a reload brings, changes and lets go.

use super::super::from_config::timeouts;
use super::{Leaving, Reloader};
use llm_manager_actors::model::{ModelHandle, Verb};
use llm_manager_actors::scheduler::SchedulerScope;
use llm_manager_actors::supervisor::{Adopt, Dismiss, ask};
use llm_manager_policy::lifecycle::StopUrgency;
use llm_manager_policy::reload::{self, Change, ReloadPlan};
use llm_manager_policy::spec::{ModelSpec, ProgramSpec};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

impl Reloader {
    /// The handle of a model of the new configuration, its actor being up; `told`: whom to tell of changes.
    pub(super) async fn bring(
        &mut self,
        spec: &Arc<ModelSpec>,
        program: &ProgramSpec,
        told: &mut Vec<(Arc<ModelHandle>, Arc<[String]>)>,
    ) -> (Arc<ModelHandle>, CancellationToken) {
        let known = self.listed.iter().find(|(model, _)| model.spec.name == spec.name);
        if let Some((model, forgotten)) = known {
            let (model, forgotten) = (Arc::clone(model), forgotten.clone());
            let unlisted = self.roster.find(&spec.name).unwrap_or_else(|| Arc::clone(&model));
            let renewed = self.change(&unlisted, spec, program, told);
            self.adopt_crew(&unlisted, &renewed).await;
            return (Arc::new(renewed.listed_as(&model)), forgotten);
        }
        let leaving = self.leaving.iter().position(|leaving| leaving.model.spec.name == spec.name);
        if let Some(place) = leaving {
            // It comes back before it has ended.
            let leaving = self.leaving.swap_remove(place);
            leaving.recalled.cancel();
            let renewed = self.change(&leaving.model, spec, program, told);
            self.adopt_crew(&leaving.model, &renewed).await;
            let (handle, forgotten) = renewed.list();
            return (Arc::new(handle), forgotten);
        }
        let model = Arc::new(ModelHandle::new(Arc::clone(spec), program.max_waiting, self.origin));
        self.roster.add(&model);
        for replica in model.replicas() {
            self.adopt(&replica.spec.name).await;
        }
        let (handle, forgotten) = model.list();
        (Arc::new(handle), forgotten)
    }

    /// Has the supervisor start the actor of a model or of a further replica.
    async fn adopt(&self, name: &str) {
        let adopted = match &self.supervisor.addr() {
            Some(addr) => ask(addr, Adopt { name: name.to_owned() }).await == Some(true),
            None => false,
        };
        if !adopted {
            // The supervisor starts all of the roster when it is back.
            log::error!("models/{name}: its actor could not be started; see `llm-manager tree`");
        }
    }

    /// The replicas that a model may have more than before.
    async fn adopt_crew(&self, before: &ModelHandle, after: &ModelHandle) {
        for replica in after.crew().iter().skip(before.crew().len()) {
            self.adopt(&replica.spec.name).await;
        }
    }

    /// The handle that the actors' side holds, with what the configuration says now.
    fn change(
        &self,
        model: &Arc<ModelHandle>,
        spec: &Arc<ModelSpec>,
        program: &ProgramSpec,
        told: &mut Vec<(Arc<ModelHandle>, Arc<[String]>)>,
    ) -> Arc<ModelHandle> {
        let relaunched = match reload::model_change(&model.spec, spec) {
            Some(Change::Relaunched { variants, .. }) => variants,
            _ => Vec::new(),
        };
        let renewed = Arc::new(model.renewed(Arc::clone(spec), program.max_waiting));
        self.roster.add(&renewed);
        if model.spec != *spec || timeouts(program) != timeouts(&self.spec.program) {
            told.push((Arc::clone(&renewed), relaunched.into()));
        }
        renewed
    }

    /// Ends a model that has left the configuration, once nobody can reach it any more.
    pub(super) fn retire(
        &mut self,
        model: &Arc<ModelHandle>,
        forgotten: CancellationToken,
        plan: &ReloadPlan,
        retired: &mpsc::Sender<Arc<ModelHandle>>,
    ) {
        let Some(model) = self.roster.find(&model.spec.name) else { return };
        let data_to = match plan.of(&model.spec.name) {
            Some(Change::Removed { data_to }) => data_to.clone(),
            _ => None,
        };
        let recalled = CancellationToken::new();
        self.leaving.push(Leaving { model: Arc::clone(&model), data_to, recalled: recalled.clone() });
        let (retired, stopping) = (retired.clone(), self.in_force.management.now().stopping.clone());
        actix_web::rt::spawn(async move {
            let end = async {
                forgotten.cancelled().await;
                if let Err(refused) = model.operate(Verb::Stop(StopUrgency::Drain)).await {
                    log::error!("models/{}: not stopped cleanly: {}", model.spec.name, refused.message);
                }
                // The one who reloads may have ended before.
                let _ = retired.send(model).await;
            };
            tokio::select! {
                () = end => (),
                () = recalled.cancelled() => (),
                () = stopping.cancelled() => (),
            }
        });
    }

    /// A model that has left the configuration has ended.
    pub(super) async fn dismiss(&mut self, model: &Arc<ModelHandle>) {
        let place = self.leaving.iter().position(|leaving| leaving.model.id() == model.id());
        // It may have come back meanwhile.
        let Some(place) = place else { return };
        let leaving = self.leaving.swap_remove(place);
        let name = &model.spec.name;
        for replica in model.replicas() {
            if let Some(addr) = self.supervisor.addr() {
                ask(&addr, Dismiss { name: replica.spec.name.clone() }).await;
            }
            replica.actor().set(None);
        }
        self.roster.remove(model);
        let former = self.scope.load();
        self.scope.store(Arc::new(SchedulerScope {
            models: self.roster.replicas(),
            ..SchedulerScope::clone(&former)
        }));
        log::info!("models/{name}: has left the configuration, and has ended");
        if let Some(new) = leaving.data_to {
            // Its last rows have come since.
            self.books.rename(name, &new).await;
        }
    }
}
