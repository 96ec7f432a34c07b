//! `llm-manager cluster ...`: what managers have left on a cluster. It needs no manager, and no configuration.

use super::{complain, say};
use clap::Subcommand;
use llm_manager_slurm::{Orphan, end_orphan, orphans};
use std::process::ExitCode;

#[derive(Subcommand)]
pub(super) enum ClusterOrder {
    /// End your Slurm jobs whose manager's state folder is gone; those of a manager that only doesn't run are its own.
    Clean {
        /// Only print what would be ended.
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) fn run(order: &ClusterOrder) -> ExitCode {
    let ClusterOrder::Clean { dry_run } = *order;
    match actix_web::rt::System::new().block_on(clean(dry_run)) {
        Ok(text) => say(&text),
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

async fn clean(dry_run: bool) -> Result<String, String> {
    let host = sysinfo::System::host_name().unwrap_or_default();
    let mut lines = Vec::new();
    for job in orphans(&host).await.map_err(|error| error.to_string())? {
        let Orphan { id, name, folder, elsewhere } = &job;
        let folder = folder.display();
        lines.push(match elsewhere {
            Some(host) => format!("left job {id} ({name}) alone: {folder} isn't here, but it was submitted from {host}: look there"),
            None if dry_run => format!("would end job {id} ({name}): {folder} is gone"),
            None => {
                end_orphan(&job).await.map_err(|error| format!("job {id}: {error}"))?;
                format!("ended job {id} ({name}): {folder} is gone")
            }
        });
    }
    if lines.is_empty() {
        lines.push("no job without a state folder was found".to_owned());
    }
    Ok(lines.join("\n"))
}
