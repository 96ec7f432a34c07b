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
    let wanted = namespace.is_some() || context.is_some();
    let cleaning = clean(*dry_run, namespace.clone(), context.clone());
    let Cleaned { lines, wrong } = actix_web::rt::System::new().block_on(cleaning);
    let text = lines.join("\n");
    match wrong {
        None => say(&text),
        // Somebody is there to be asked, and nobody said that the other one has to be.
        Some(why) if !lines.is_empty() && !wanted => say(&format!("{text}\n{why}")),
        Some(why) => {
            if !lines.is_empty() {
                say(&text);
            }
            complain(&format!("llm-manager: {why}"), 1)
        }
    }
}

/// What was done, or would be, and who could not be asked. What is wrong with one cluster is no concern of the other.
struct Cleaned {
    lines: Vec<String>,
    wrong: Option<String>,
}

async fn clean(dry_run: bool, namespace: Option<String>, context: Option<String>) -> Cleaned {
    let host = sysinfo::System::host_name().unwrap_or_default();
    let pods = pods(dry_run, &host, namespace, context).await;
    let jobs = jobs(dry_run, &host).await;
    let (mut lines, mut asked, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    match jobs {
        Ok(found) => {
            asked.push("no job");
            lines.extend(found);
        }
        // Only Kubernetes is here.
        Err(CallError::NotStarted { .. }) if !matches!(pods, Ok(None)) => {}
        Err(error @ CallError::NotStarted { .. }) => wrong.push(error.to_string()),
        // Its programs may be installed where no cluster is.
        Err(error) => wrong.push(format!("Slurm was not asked: {error}")),
    }
    match pods {
        Ok(Some(found)) => {
            asked.push("no Pod");
            lines.extend(found);
        }
        Ok(None) => {}
        Err(why) => wrong.push(why),
    }
    if lines.is_empty() && !asked.is_empty() {
        lines.push(format!("{} without a state folder was found", asked.join(" and ")));
    }
    Cleaned { lines, wrong: (!wrong.is_empty()).then(|| wrong.join("\n")) }
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
