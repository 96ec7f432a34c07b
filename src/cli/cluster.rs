//! `llm-manager cluster ...`: what managers have left on a cluster. It needs no manager, and no configuration.

use super::{complain, say};
use clap::{Subcommand, ValueEnum};
use llm_manager_slurm::{ToolError, end_orphan, orphans};
use std::fmt::Display;
use std::process::ExitCode;

#[cfg(feature = "kubernetes")]
mod pods;
#[cfg(test)]
mod tests;

#[derive(Subcommand)]
pub(super) enum ClusterOrder {
    /// End your Slurm jobs and Pods whose manager's state folder is gone; those of a manager that only doesn't run are its own.
    Clean {
        /// Only print what would be ended.
        #[arg(long)]
        dry_run: bool,
        /// Ask this cluster alone; default: whichever there is.
        #[arg(long, value_name = "CLUSTER")]
        only: Option<ClusterKind>,
        /// Look for Pods in this namespace; default: that of the context.
        #[arg(long)]
        namespace: Option<String>,
        /// Look for Pods with this context of the kubeconfig; default: the current one.
        #[arg(long)]
        context: Option<String>,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ClusterKind {
    Slurm,
    Kubernetes,
}

pub(super) fn run(order: &ClusterOrder) -> ExitCode {
    let ClusterOrder::Clean { dry_run, only, namespace, context } = order;
    let cleaning = clean(*dry_run, *only, namespace.clone(), context.clone());
    let Cleaned { lines, wrong } = actix_web::rt::System::new().block_on(cleaning);
    let said = if lines.is_empty() { ExitCode::SUCCESS } else { say(&lines.join("\n")) };
    if wrong.is_empty() { said } else { complain(&format!("llm-manager: {}", wrong.join("\n")), 1) }
}

/// What became of one cluster.
#[cfg_attr(test, derive(Clone, Debug, PartialEq, Eq))]
enum Asked {
    /// Nobody wants it to be asked.
    LeftOut,
    /// There is none here, in these words.
    Absent(String),
    /// There is one, and it doesn't say what it has.
    Away(String),
    /// It was asked: what was done, or would be, and what could not be done.
    Done(Cleaned),
}

/// What was done, or would be, and what was not.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Debug, PartialEq, Eq))]
struct Cleaned {
    lines: Vec<String>,
    wrong: Vec<String>,
}

impl Cleaned {
    /// Ends the orphans of one cluster. One that can't be ended keeps nobody from trying the others, unless it is the cluster that
    /// doesn't answer any more: each question takes its time then.
    async fn of<E: Display>(
        found: Vec<(String, Found)>,
        mut end: impl AsyncFnMut(usize) -> Result<(), E>,
        is_away: impl Fn(&E) -> bool,
    ) -> Self {
        let mut cleaned = Self::default();
        let mut away = false;
        for (at, (what, found)) in found.into_iter().enumerate() {
            match found {
                Found::Elsewhere(why) => cleaned.lines.push(format!("left {what} alone: {why}")),
                Found::Unsure(why) => cleaned.wrong.push(format!("{what} was left alone: {why}")),
                Found::Gone { folder, dry_run: true } => {
                    cleaned.lines.push(format!("would end {what}: {folder} is gone"));
                }
                Found::Gone { folder, .. } if away => {
                    cleaned.wrong.push(format!("{what} was not ended: {folder} is gone"));
                }
                Found::Gone { folder, .. } => match end(at).await {
                    Ok(()) => cleaned.lines.push(format!("ended {what}: {folder} is gone")),
                    Err(error) => {
                        away = is_away(&error);
                        cleaned.wrong.push(format!("{what} was not ended: {error}"));
                    }
                },
            }
        }
        cleaned
    }
}

/// What was found of one job or Pod.
enum Found {
    /// Its folder is gone.
    Gone { folder: String, dry_run: bool },
    /// Its folder may be on another machine.
    Elsewhere(String),
    /// It isn't known.
    Unsure(String),
}

async fn clean(
    dry_run: bool,
    only: Option<ClusterKind>,
    namespace: Option<String>,
    context: Option<String>,
) -> Cleaned {
    let host = sysinfo::System::host_name().unwrap_or_default();
    let wants = |which| only.is_none_or(|only| only == which);
    let is_named = only.is_some() || namespace.is_some() || context.is_some();
    let jobs = async { if wants(ClusterKind::Slurm) { jobs(dry_run, &host).await } else { Asked::LeftOut } };
    let pods = async {
        let wanted = wants(ClusterKind::Kubernetes);
        if wanted { pods(dry_run, &host, namespace, context).await } else { Asked::LeftOut }
    };
    let (jobs, pods) = futures_util::future::join(jobs, pods).await;
    sum_up(jobs, pods, is_named)
}

/// What is wrong with one cluster is no concern of the other, but it is said, and it is an error: what was left there goes on.
/// With `pods_are_named` somebody has said that Kubernetes has to be there.
fn sum_up(jobs: Asked, pods: Asked, pods_are_named: bool) -> Cleaned {
    let mut all = Cleaned::default();
    let (mut asked, mut absent) = (Vec::new(), Vec::new());
    let clusters = [("Slurm", "no job", jobs, false), ("Kubernetes", "no Pod", pods, pods_are_named)];
    for (name, nothing, cluster, is_named) in clusters {
        match cluster {
            Asked::LeftOut => {}
            Asked::Absent(words) if is_named => all.wrong.push(words),
            Asked::Absent(words) => absent.push(words),
            Asked::Away(words) => all.wrong.push(format!(
                "{name} was not asked, and what was left there goes on: {words}; run it again when it answers, or leave \
                 it out with `--only`"
            )),
            Asked::Done(of) => {
                if of.lines.is_empty() && of.wrong.is_empty() {
                    asked.push(nothing);
                }
                all.lines.extend(of.lines);
                all.wrong.extend(of.wrong);
            }
        }
    }
    if !asked.is_empty() {
        all.lines.push(format!("{} without a state folder was found", asked.join(" and ")));
    }
    if all.lines.is_empty() && all.wrong.is_empty() {
        all.wrong.push(format!("there is no cluster here to be asked: {}", absent.join("; ")));
    }
    all
}

#[cfg(feature = "kubernetes")]
use pods::pods;

#[cfg(not(feature = "kubernetes"))]
#[expect(clippy::unused_async, reason = "the other one waits")]
async fn pods(_dry_run: bool, _host: &str, _namespace: Option<String>, _context: Option<String>) -> Asked {
    let words = "this program was built without the feature `kubernetes`: it can't look for Pods";
    Asked::Absent(words.to_owned())
}

async fn jobs(dry_run: bool, host: &str) -> Asked {
    let found = match orphans(host).await {
        Ok(found) => found,
        Err(error @ ToolError::NotStarted { .. }) => return Asked::Absent(error.to_string()),
        // Its programs are installed, and no cluster is.
        Err(error) if error.is_nowhere() => return Asked::Absent(error.to_string()),
        Err(error) => return Asked::Away(error.to_string()),
    };
    let listed = found.iter().map(|job| {
        let folder = job.folder.display().to_string();
        let found = match (&job.elsewhere, &job.unsure) {
            (_, Some(error)) => Found::Unsure(format!(
                "{folder} is gone, but it isn't known from which machine it was submitted: {error}"
            )),
            (Some(host), None) => {
                Found::Elsewhere(format!("{folder} isn't here, but it was submitted from {host}: look there"))
            }
            (None, None) => Found::Gone { folder, dry_run },
        };
        (format!("job {} ({})", job.id, job.name), found)
    });
    let listed = listed.collect();
    let end = async |at: usize| match found.get(at) {
        Some(job) => end_orphan(job).await,
        None => Ok(()),
    };
    let is_away = |error: &ToolError| matches!(error, ToolError::Unanswered { .. });
    Asked::Done(Cleaned::of(listed, end, is_away).await)
}
