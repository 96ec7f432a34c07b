//! Backends as jobs of a Slurm cluster, by its command line: the one surface that stays from release to release.
//!
//! [`Slurm`] submits jobs and finds those of an earlier manager; a [`Job`] is the handle of one. One question to the
//! controller is for all jobs ([`policy::cluster::next_look`](llm_manager_policy::cluster::next_look) says when), and a
//! controller that doesn't answer changes nothing: its jobs run on.
//!
//! `asked`, `commands`, `parse`, `json` and `wrapper` are pure; `tools` starts Slurm's programs; `poller` asks for all jobs; `job` owns one
//! job from its submission to its end; `follow` and `step` read what it prints, with a shared disk and without one, `turns` says which step is next; `nodes` looks at the nodes; `records` are the files of a job in the state folder.

mod asked;
mod commands;
mod ear;
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
mod tools;
mod turns;
mod wrapper;

pub use job::{Job, JobView, Place};
pub use launcher::SlurmLauncher;
pub use llm_manager_policy::cluster::Ask;
pub use llm_manager_process::far::Wish;
pub use nodes::{Nodes, Sight, Watching};
pub use records::Record;
pub use slurm::{Found, JobOrder, Orphan, Slurm, end_orphan, orphans};
pub use step::Wanted;
pub use tools::CallError;
