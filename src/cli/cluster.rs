//! `llm-manager cluster ...`: what managers have left on a cluster. It needs no manager, and no configuration.

use super::{complain, say};
use clap::Subcommand;
use llm_manager_slurm::{CallError, Orphan, end_orphan, orphans};
use std::process::ExitCode;

#[cfg(feature = "kubernetes")]
mod pods;

#[derive(Subcommand)]
pub(super) enum ClusterOrder {
    /// End your Slurm jobs and Pods whose manager's state folder is gone; those of a manager that only doesn't run are its own.
    Clean {
        /// Only print what would be ended.
        #[arg(long)]
        dry_run: bool,
        /// Look for Pods in this namespace; default: that of the context.
        #[arg(long)]
        namespace: Option<String>,
        /// Look for Pods with this context of the kubeconfig; default: the current one.
        #[arg(long)]
        context: Option<String>,
    },
}

pub(super) fn run(order: &ClusterOrder) -> ExitCode {
    let ClusterOrder::Clean { dry_run, namespace, context } = order;
    match actix_web::rt::System::new().block_on(clean(*dry_run, namespace.clone(), context.clone())) {
        Ok(text) => say(&text),
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

async fn clean(dry_run: bool, namespace: Option<String>, context: Option<String>) -> Result<String, String> {
    let host = sysinfo::System::host_name().unwrap_or_default();
    let pods = pods(dry_run, &host, namespace, context).await?;
    let jobs = match (jobs(dry_run, &host).await, &pods) {
        (Err(CallError::NotStarted { .. }), Some(_)) => None,
        // Its programs may be installed where no cluster is.
        (Err(error), Some(_)) => Some(vec![format!("Slurm was not asked: {error}")]),
        (jobs, _) => Some(jobs.map_err(|error| error.to_string())?),
    };
    let what = match (&jobs, &pods) {
        (Some(_), Some(_)) => "no job and no Pod",
        (_, None) => "no job",
        (None, _) => "no Pod",
    };
    let mut lines = jobs.unwrap_or_default();
    lines.extend(pods.unwrap_or_default());
    if lines.is_empty() {
        lines.push(format!("{what} without a state folder was found"));
    }
    Ok(lines.join("\n"))
}

/// `None`: there is no cluster here to ask.
#[cfg(feature = "kubernetes")]
async fn pods(
    dry_run: bool,
    host: &str,
    namespace: Option<String>,
    context: Option<String>,
) -> Result<Option<Vec<String>>, String> {
    let is_wanted = namespace.is_some() || context.is_some();
    pods::clean(dry_run, host, namespace, context, is_wanted).await
}

#[cfg(not(feature = "kubernetes"))]
#[expect(clippy::unused_async, reason = "the other one waits")]
async fn pods(
    _dry_run: bool,
    _host: &str,
    namespace: Option<String>,
    context: Option<String>,
) -> Result<Option<Vec<String>>, String> {
    if namespace.is_some() || context.is_some() {
        return Err(
            "this program was built without the feature `kubernetes`: it can't look for Pods".to_owned()
        );
    }
    Ok(None)
}

async fn jobs(dry_run: bool, host: &str) -> Result<Vec<String>, CallError> {
    let mut lines = Vec::new();
    for job in orphans(host).await? {
        let Orphan { id, name, folder, elsewhere } = &job;
        let folder = folder.display();
        lines.push(match elsewhere {
            Some(host) => format!("left job {id} ({name}) alone: {folder} isn't here, but it was submitted from {host}: look there"),
            None if dry_run => format!("would end job {id} ({name}): {folder} is gone"),
            None => {
                end_orphan(&job).await?;
                format!("ended job {id} ({name}): {folder} is gone")
            }
        });
    }
    Ok(lines)
}
