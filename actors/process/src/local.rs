//! Backends as processes of this machine.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use llm_manager_policy::lifecycle::crash_grace;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::command::{self, Markers};
use super::first_process::FirstProcess;
use super::output::{RunOutput, TailWriter};
use super::platform::cgroup::Room;
use super::platform::{self, Enclosure, GroupLeader, ProcessId, Signal};
use super::port::{self, PortHold, Ports};
use super::records::{self, ProcessRecord};
use super::run_owner::{PortClaims, RunOwner, StopLevel};
use super::stop_command::StopCommand;
use super::tree::{Leaders, ProcessTree, RunMarks};
use super::{
    BackendAddress, ExitReport, LaunchError, LaunchOrder, Launcher, ListenScan, OutputSink, Pipe,
    PlacementState, Run, Stranger, Tail,
};

/// How often the listener of a port is looked for before it is taken for a stranger, or for none.
const LOOKS: u32 = 3;
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Starts backends on this machine. It must be used on one thread, which lives as long as the program:
/// the kernel kills a backend when the thread that spawned it ends.
#[derive(Clone)]
pub struct LocalLauncher {
    instance_id: String,
    state_dir: PathBuf,
    output: Rc<dyn OutputSink>,
    ports: Ports,
    leaders: Leaders,
    left_behind: Rc<Cell<bool>>,
    /// Way is being made for a launch.
    makes_way: Rc<Cell<bool>>,
    /// The last backend was born in its cgroup: no way has to be made for the next one.
    born_inside: Rc<Cell<bool>>,
    hidden: Rc<RefCell<Vec<String>>>,
}

impl LocalLauncher {
    /// From now on backends don't see these variables of the manager's environment.
    pub fn hide(&self, variables: Vec<String>) {
        *self.hidden.borrow_mut() = variables;
    }

    /// `instance_id` differs from that of every other manager, living or dead; in `state_dir` the runs are
    /// recorded, for [`super::reap_leftovers`] and [`super::guard_main`].
    pub fn new(
        instance_id: impl Into<String>,
        state_dir: impl Into<PathBuf>,
        output: Rc<dyn OutputSink>,
    ) -> Self {
        Self {
            instance_id: instance_id.into(),
            state_dir: records::canonical(&state_dir.into()),
            output,
            ports: Ports::default(),
            leaders: Leaders::default(),
            left_behind: Rc::default(),
            makes_way: Rc::default(),
            born_inside: Rc::default(),
            hidden: Rc::default(),
        }
    }

    /// Whether something of a run lives on, or may: it hasn't ended yet, or it was given up because nobody could look.
    /// Its record is kept.
    pub fn has_left_behind(&self) -> bool {
        self.left_behind.get() || !self.leaders.get().is_empty()
    }

    /// Everything after this one's start is without a pause, so a caller who goes away leaves nothing.
    fn spawn(
        &self,
        order: &LaunchOrder,
        port: PortHold,
        slot: OwnedSemaphorePermit,
    ) -> Result<LocalRun, LaunchError> {
        let words = command::words(order, port.port);
        let cannot = |error: &std::io::Error| command::explain(error, &words, order);
        platform::supported().map_err(|error| cannot(&error))?;
        command::check(&words, order)?;
        let manager =
            platform::this_process().and_then(|found| found.ok_or_else(|| std::io::Error::other("no /proc")));
        let manager = manager.map_err(|error| cannot(&error))?;
        let boot = platform::boot_id().map_err(|error| cannot(&error))?;
        let markers = Markers {
            run: format!("{}#{}", order.model, order.epoch),
            instance: self.instance_id.clone(),
            state: self.state_dir.clone().into_os_string(),
            owner: format!("{}:{}", manager.pid, manager.start_time),
        };
        let enclosure = Enclosure::new().map_err(|error| cannot(&error))?;
        let room = Room::make(&format!("{}-{}", self.instance_id, port.port));
        let build = |words: &[_]| {
            let mut command = command::build(words, order, port.port, &markers);
            for name in
                self.hidden.borrow().iter().filter(|name| !order.env.iter().any(|(own, _)| own == *name))
            {
                command.env_remove(name);
            }
            enclosure.prepare(&mut command);
            // Without it the run is looked for as on any other system.
            let cradle = room.as_ref().and_then(|room| room.house(&mut command).ok());
            let spawned = tokio::process::Command::from(command).kill_on_drop(true).spawn();
            FirstProcess::of(spawned, cradle.as_ref())
        };
        let mut child = match build(&words) {
            // Executable, but without a first line that says by what.
            Err(error) if is_script_without_shebang(&error, order) => {
                build(&[&["sh".into()], words.as_slice()].concat())
            }
            other => other,
        }
        .map_err(|error| {
            room.iter().for_each(|room| platform::cgroup::close(room.path()));
            cannot(&error)
        })?;
        child.admit(&enclosure).map_err(|error| cannot(&error))?;
        let born_inside = child.is_inside();
        self.born_inside.set(born_inside);
        // Not yet waited for, so the pid is still its own, be it a zombie.
        let pid = child.id().unwrap_or_default();
        let held = GroupLeader::hold(pid);
        let gone = || std::io::Error::other("it was gone before it could be seen in /proc");
        let leader = platform::process(pid).and_then(|found| found.map(|info| info.id).ok_or_else(gone));
        let leader = leader.map_err(|error| {
            // Nothing is known of it that would find its children later.
            let _ = held.signal(Signal::Kill, false);
            cannot(&error)
        })?;
        log::info!(
            "models/{}: started {} as pid {} on port {} (variant {})",
            order.model,
            words.first().map(|word| word.to_string_lossy()).unwrap_or_default(),
            leader.pid,
            port.port,
            order.variant
        );

        let inherited = command::inherited(|name| order.env.iter().any(|(given, _)| given == name));
        if !inherited.is_empty() {
            log::info!(
                "models/{}: inherits {} from the manager's environment, which may steer its engine (`env` overrides it)",
                order.model,
                inherited.join(", ")
            );
        }
        self.leaders.add(leader);
        let room = room.map(|room| room.path().to_owned());
        let tree = Rc::new(ProcessTree::new(RunMarks {
            leader,
            run: markers.run.clone(),
            instance: markers.instance.clone(),
            owner: markers.owner.clone(),
            room: room.clone(),
            born_inside,
            leaders: self.leaders.clone(),
            known: BTreeSet::new(),
            enclosure,
        }));
        let tail = Rc::new(TailWriter::new());
        let tree_gone = watch::Sender::new(false);
        let outlet = RunOutput {
            model: Arc::from(order.model.as_str()),
            keeper: self.output.keep(order),
            sink: Rc::clone(&self.output),
            tail: Rc::clone(&tail),
            tree_gone: tree_gone.subscribe(),
        };
        let stdout =
            child.stdout.take().map(|pipe| outlet.clone().drain(Pipe::Stdout, pipe, platform::widen));
        let stderr =
            child.stderr.take().map(|pipe| outlet.clone().drain(Pipe::Stderr, pipe, platform::widen));
        let readers = [stdout.map(actix_rt::spawn), stderr.map(actix_rt::spawn)];
        let wish = watch::channel(StopLevel::Run);
        let members = watch::channel(vec![leader.pid]);
        let report = watch::Sender::new(None);
        let broken = watch::Sender::new(false);
        let claims =
            Rc::new(PortClaims { port: port.port, claimed: Cell::new(false), remainder: RefCell::new(None) });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port.port));
        let run = LocalRun {
            broken: broken.subscribe(),
            claims: Rc::clone(&claims),
            leader,
            port: port.port,
            standing: watch::Sender::new(PlacementState::Placed(Arc::new(BackendAddress::local(address)))),
            tree: Rc::clone(&tree),
            tail: Rc::clone(&tail),
            report: report.subscribe(),
            members: members.1,
            wish: wish.0,
        };
        let stop = StopCommand {
            order: order.clone(),
            port: port.port,
            markers: markers.clone(),
            outlet,
            runs: Rc::default(),
        };
        let record = ProcessRecord {
            instance: markers.instance,
            manager,
            leader,
            boot,
            model: order.model.clone(),
            epoch: order.epoch,
            room,
            inherited,
            members: Vec::new(),
        };
        let owner = RunOwner {
            model: order.model.clone(),
            leader,
            child,
            held,
            leaders: self.leaders.clone(),
            left_behind: Rc::clone(&self.left_behind),
            tree,
            tail,
            members: members.0,
            wish: wish.1,
            readers: readers.into_iter().flatten().collect(),
            tree_gone,
            report,
            broken,
            claims,
            stop,
            crash_grace: crash_grace(order.stop_timeout),
            record_file: record.file(&self.state_dir),
            record,
            finished: false,
            slot: Some((slot, port)),
        };
        actix_rt::spawn(owner.run());
        Ok(run)
    }
}

fn is_script_without_shebang(error: &std::io::Error, order: &LaunchOrder) -> bool {
    const ENOEXEC: i32 = 8;
    matches!(order.launch, llm_manager_policy::spec::Launch::Script(_))
        && error.raw_os_error() == Some(ENOEXEC)
}

impl Launcher for LocalLauncher {
    fn launch(&self, order: LaunchOrder) -> LocalBoxFuture<'static, Result<Box<dyn Run>, LaunchError>> {
        let launcher = self.clone();
        async move {
            let slot = Arc::clone(&order.slot);
            let Ok(slot) = slot.acquire_owned().await else {
                return Err(LaunchError::SlotClosed { model: order.model });
            };
            let way = async {
                if !launcher.born_inside.get() {
                    // By a thread that may wait: this one would.
                    let _ = tokio::task::spawn_blocking(platform::cgroup::make_way).await;
                }
            };
            let (port, ()) = futures_util::join!(launcher.ports.hold(order.port), way);
            let port = port?;
            launcher.spawn(&order, port, slot).map(|run| Box::new(run) as Box<dyn Run>)
        }
        .boxed_local()
    }

    fn expect(&self) {
        if !self.born_inside.get() && !self.makes_way.replace(true) {
            let makes_way = Rc::clone(&self.makes_way);
            actix_rt::spawn(async move {
                let _ = tokio::task::spawn_blocking(platform::cgroup::make_way).await;
                makes_way.set(false);
            });
        }
    }
}

/// The handle of a run. It has the only sender of wishes: when it is dropped, the owner kills the tree.
struct LocalRun {
    leader: ProcessId,
    port: u16,
    standing: watch::Sender<PlacementState>,
    tree: Rc<ProcessTree>,
    tail: Rc<TailWriter>,
    report: watch::Receiver<Option<ExitReport>>,
    members: watch::Receiver<Vec<u32>>,
    broken: watch::Receiver<bool>,
    claims: Rc<PortClaims>,
    wish: watch::Sender<StopLevel>,
}

impl LocalRun {
    fn wish(&self, wish: StopLevel) {
        self.wish.send_if_modified(|old| {
            let more = *old < wish;
            *old = wish.max(*old);
            more
        });
    }
}

impl Run for LocalRun {
    fn label(&self) -> String {
        format!("pid {}", self.leader.pid)
    }

    fn pid(&self) -> Option<u32> {
        Some(self.leader.pid)
    }

    fn standing(&self) -> watch::Receiver<PlacementState> {
        self.standing.subscribe()
    }

    fn terminate(&self) {
        self.wish(StopLevel::Terminate);
    }

    fn kill(&self) {
        self.wish(StopLevel::Kill);
    }

    fn members(&self) -> watch::Receiver<Vec<u32>> {
        self.members.clone()
    }

    fn count(&self) -> LocalBoxFuture<'static, Vec<u32>> {
        let (tree, last) = (Rc::clone(&self.tree), self.members.clone());
        async move {
            match tree.scan().await {
                Ok(members) => members.iter().map(|info| info.id.pid).collect(),
                Err(_) => last.borrow().clone(),
            }
        }
        .boxed_local()
    }

    fn tail(&self) -> watch::Receiver<Tail> {
        self.tail.subscribe()
    }

    fn check_listener(&self) -> LocalBoxFuture<'static, Result<(), Stranger>> {
        let tree = Rc::clone(&self.tree);
        let (port, leader) = (self.port, self.leader);
        async move {
            let is_leader =
                || platform::process(leader.pid).ok().flatten().is_some_and(|info| info.id == leader);
            if is_leader() && port::is_plainly_of(leader.pid, port).await && is_leader() {
                return Ok(());
            }
            let mut tries = 0;
            let mut told = false;
            loop {
                // The holders first: a worker that was born between the two readings is in the second.
                let looked = async { Ok((port::holders(port).await?, tree.scan().await?)) };
                let (holders, members) = match looked.await {
                    Ok(found) => found,
                    // Whoever probes has a limit; what can't be looked at isn't a stranger.
                    Err(error) => {
                        if !std::mem::replace(&mut told, true) {
                            let error: std::io::Error = error;
                            log::warn!(
                                "can't tell which process listens on port {port} ({error}); looking again"
                            );
                        }
                        tokio::time::sleep(LOOK_AGAIN).await;
                        continue;
                    }
                };
                tries += 1;
                let stranger =
                    holders.iter().find(|holder| members.iter().all(|info| info.id.pid != holder.pid));
                match stranger {
                    None if !holders.is_empty() => return Ok(()),
                    // A reading may miss a process for want of files; one that isn't there stays away.
                    _ if tries < LOOKS => tokio::time::sleep(LOOK_AGAIN).await,
                    stranger => return Err(Stranger { port, by: stranger.map(ToString::to_string) }),
                }
            }
        }
        .boxed_local()
    }

    fn listens_elsewhere(&self) -> ListenScan {
        let (tree, port) = (Rc::clone(&self.tree), self.port);
        Box::new(move || {
            let tree = Rc::clone(&tree);
            async move {
                let members = tree.scan().await.unwrap_or_default();
                port::elsewhere(members.iter().map(|info| info.id.pid).collect(), port).await
            }
            .boxed_local()
        })
    }

    fn claim_port(&self) {
        self.claims.claimed.set(true);
    }

    fn broke(&self) -> LocalBoxFuture<'static, ()> {
        let mut broken = self.broken.clone();
        async move {
            if broken.wait_for(|broken| *broken).await.is_err() {
                // It ended in one piece.
                std::future::pending::<()>().await;
            }
        }
        .boxed_local()
    }

    fn remainder(&self) -> Option<String> {
        self.claims.remainder.borrow().clone()
    }

    fn exited(&self) -> LocalBoxFuture<'static, ExitReport> {
        ExitReport::told(self.report.clone())
    }
}
