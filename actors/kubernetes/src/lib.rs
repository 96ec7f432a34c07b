//! Backends as Pods of a Kubernetes cluster.
//!
//! [`KubernetesLauncher`] makes Pods and finds those of an earlier manager. One watch is for all Pods of a namespace, so that
//! nothing is polled, and an API server that doesn't answer changes nothing: its Pods run on.
//!
//! `template`, `asked`, `facts` and `lines` are pure; `api` asks; `watcher` is told; `follow` reads logs; `pod` owns one Pod from its creation
//! to its end; `records` are the files of a Pod in the state folder.

mod api;
mod asked;
mod facts;
mod follow;
mod launcher;
mod lines;
mod orphans;
mod pod;
mod records;
mod template;
mod watcher;

pub use api::CallError;
pub use launcher::KubernetesLauncher;
pub use orphans::{Orphan, end_orphan, orphans};
pub use template::check;
