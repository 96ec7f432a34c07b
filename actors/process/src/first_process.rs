//! The first process of a run, which has to be waited for.

use std::io;
use std::process::ExitStatus;

use tokio::process::{Child, ChildStderr, ChildStdout};

use super::platform::{Enclosure, cgroup};

#[derive(Debug)]
pub(super) struct FirstProcess {
    kind: Kind,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

#[derive(Debug)]
enum Kind {
    Spawned(Box<Child>),
    /// It began its life in the cgroup of its run.
    Inside(cgroup::Born),
}

impl FirstProcess {
    /// What a spawn has brought, or its error.
    pub(super) fn of(spawned: io::Result<Child>, cradle: Option<&cgroup::Cradle>) -> io::Result<Self> {
        let born = cradle.and_then(cgroup::Cradle::born);
        let mut child = match (spawned, born) {
            (Ok(child), _) => child,
            (Err(error), born) => {
                born.into_iter().for_each(cgroup::bury_stillborn);
                return Err(error);
            }
        };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // The one in between has ended; tokio waits for it.
        let kind = match born {
            Some(pid) => Kind::Inside(cgroup::Born::adopt(pid)?),
            None => Kind::Spawned(Box::new(child)),
        };
        Ok(Self { kind, stdout, stderr })
    }

    pub(super) fn is_inside(&self) -> bool {
        matches!(self.kind, Kind::Inside(_))
    }

    /// Puts it into what holds the run together.
    pub(super) fn admit(&self, into: &Enclosure) -> io::Result<()> {
        match &self.kind {
            Kind::Spawned(child) => into.admit(child),
            Kind::Inside(_) => Ok(()),
        }
    }

    /// Its number, until somebody has waited for it.
    pub(super) fn id(&self) -> Option<u32> {
        match &self.kind {
            Kind::Spawned(child) => child.id(),
            Kind::Inside(born) => born.id(),
        }
    }

    /// Returns when it has ended.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.kind {
            Kind::Spawned(child) => child.wait().await,
            Kind::Inside(born) => born.wait().await,
        }
    }
}
