//! Backends as jobs of a Slurm cluster, by its command line: the one surface that stays from release to release.
//!
//! [`Slurm`] submits jobs and finds those of an earlier manager; a [`Job`] is the handle of one. One question to the
//! controller is for all jobs ([`policy::cluster::next_look`](llm_manager_policy::cluster::next_look) says when), and a
//! controller that doesn't answer changes nothing: its jobs run on.
//!
//! `asked`, `commands`, `parse`, `json` and `wrapper` are pure; `tools` starts Slurm's programs; `poller` asks for all jobs; `job` owns one
//! job from its submission to its end; `follow` and `step` read what it prints, with a shared disk and without one, `turns` says which step is next; `nodes` looks at the nodes; `records` are the files of a job in the state folder.

mod commands;
mod end_notice;
mod fingerprint;
mod follow;
mod job;
mod json;
mod launcher;
mod nodes;
mod parse;
mod poller;
mod records;
mod slurm;
mod step;
mod step_turns;
mod tools;
mod wrapper;

pub use job::{Job, JobAddress, JobView};
pub use launcher::SlurmLauncher;
pub use llm_manager_policy::cluster::SlurmRequest;
pub use llm_manager_process::far::Wish;
pub use nodes::{Nodes, NodesSnapshot, Watching};
pub use records::JobRecord;
pub use slurm::{JobOrder, OrphanJob, Slurm, SubmittedJob, end_orphan, orphans};
pub use step::IsFollowed;
pub use tools::ToolError;
