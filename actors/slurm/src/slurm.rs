//! The cluster: submits jobs, and finds those that an earlier manager of the same state folder left.

use crate::commands;
use crate::follow::{Past, follow};
use crate::job::{Doubts, Job, JobOwner, JobView};
use crate::parse;
use crate::poller::Poller;
use crate::records::{self, JobRecord, OUTPUT, PLACE};
use crate::step::{IsFollowed, OutputReader};
use crate::step_turns::StepTurns;
use crate::tools::{ToolError, Tools};
use crate::wrapper::{self, JobScript, SentScript};
use llm_manager_policy::cluster::{JobState, SlurmRequest};
use llm_manager_policy::spec::Launch;
use llm_manager_process::AlreadyKept;
use llm_manager_process::far::{Fence, Files, Folder, PREFIX, ReadPosition, Wish, aside, random};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::sync::{mpsc, watch};

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct JobOrder {
    /// The model's name, or that of one of its replicas.
    pub model: String,
    /// The model's name as the backend hears it.
    pub known_as: String,
    /// The variant's.
    pub variant: String,
    /// The ledger's number of the run.
    pub run: i64,
    /// What it is launched by, in a form that can be compared; not empty.
    pub fingerprint: String,
    /// What is asked of the cluster.
    pub ask: SlurmRequest,
    /// Script or command.
    pub launch: Launch,
    /// The script's text, if it goes along with the job.
    pub sent: Option<SentScript>,
    /// Where it runs; the nodes share it.
    pub working_dir: PathBuf,
    /// Its environment. Nothing else of the manager's own is in it.
    pub env: Vec<(String, String)>,
    /// `None`: the job looks for a free port.
    pub port: Option<u16>,
}

/// A job of the user's that some manager has submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmittedJob {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its folder, as it was submitted.
    pub folder: PathBuf,
    /// Its state folder is this one.
    pub ours: bool,
}

/// The cluster. Must be made and used where tasks of this thread can be spawned.
#[derive(Clone)]
pub struct Slurm {
    tools: Tools,
    poller: Poller,
    files: Files,
    turns: Rc<StepTurns>,
}

impl Slurm {
    /// With a folder for its jobs' files below `state_dir`; `slurm_conf`: another cluster than the environment's.
    ///
    /// # Errors
    /// The folder can't be made.
    pub fn open(state_dir: &Path, slurm_conf: Option<PathBuf>) -> io::Result<Self> {
        Ok(Self::new(Tools::new(slurm_conf), Files::open(state_dir, PLACE)?))
    }

    /// The cluster of the environment.
    ///
    /// # Errors
    /// The folder can't be made.
    pub async fn open_beside(state_dir: PathBuf, fence: Fence) -> io::Result<Self> {
        let tools = Tools::new(None).within(fence);
        let files = aside(move || Files::open(&state_dir, PLACE)).await?;
        Ok(Self::new(tools, files))
    }

    fn new(tools: Tools, files: Files) -> Self {
        let turns = Rc::<StepTurns>::default();
        Self { poller: Poller::new(tools.clone(), Rc::clone(&turns)), tools, files, turns }
    }

    /// Why the controller doesn't answer, while it doesn't.
    pub fn away(&self) -> watch::Receiver<Option<String>> {
        self.poller.away()
    }

    /// Submits a job. The handle comes at once; what becomes of the job is in its view.
    ///
    /// # Errors
    /// Its files can't be written.
    pub async fn submit(&self, order: JobOrder) -> io::Result<Job> {
        let files = self.files.clone();
        let mut environment = vec![
            ("PATH".to_owned(), self.tools.path_of_jobs().to_owned()),
            ("MODEL_NAME".to_owned(), order.known_as.clone()),
        ];
        environment.extend(order.env.iter().cloned());
        let ask = order.ask.clone();
        let (record, folder, key) = aside(move || {
            let name = files.new_name(&order.model, records::plain)?;
            let folder = files.folder(&name);
            // Whoever sees the queue knows the job's name, but not this one.
            let nook = match &order.ask.node_folder {
                Some(folder) => Some(format!("{folder}/llm-manager-{}", random(12)?)),
                None => None,
            };
            let script = wrapper::script(&JobScript {
                model: &order.known_as,
                launch: &order.launch,
                working_dir: &order.working_dir,
                folder: nook.as_deref().map_or(folder.path(), Path::new),
                sent: order.sent.as_ref(),
                apart: nook.is_some(),
                port: order.port,
            });
            let record = JobRecord {
                name,
                id: None,
                model: order.model,
                variant: order.variant,
                run: order.run,
                launch: order.fingerprint,
                nook,
            };
            let folder = records::prepare(&files, &record, &script, &environment)?;
            let key = folder.read_key()?;
            Ok((record, folder, key))
        })
        .await?;
        Ok(self.own(record, folder, key, ask, false))
    }

    /// Notes that a job of another version of this program counts as launched by this from now on.
    ///
    /// # Errors
    /// The record can't be written.
    pub async fn note(&self, record: &JobRecord) -> io::Result<()> {
        let (folder, record) = (self.files.folder(&record.name), record.clone());
        aside(move || folder.write_record(&record)).await
    }

    /// What earlier managers of this state folder have left. Whoever isn't taken over is to be ended.
    ///
    /// # Errors
    /// The folder can't be read.
    pub async fn records(&self) -> io::Result<Vec<JobRecord>> {
        let files = self.files.clone();
        aside(move || files.records()).await
    }

    /// Takes a job over. One that is over by now says so in its view.
    ///
    /// # Errors
    /// Its key can't be read.
    pub async fn adopt(&self, record: JobRecord) -> io::Result<Job> {
        let folder = self.files.folder(&record.name);
        let of = folder.clone();
        let key = aside(move || of.read_key()).await?;
        Ok(self.own(record, folder, key, SlurmRequest::default(), true))
    }

    fn own(&self, record: JobRecord, folder: Folder, key: String, ask: SlurmRequest, adopted: bool) -> Job {
        let (id, of_id) = watch::channel(record.id);
        let (view, of_view) = watch::channel(JobView::Submitting(None));
        let (ends, of_ends) = watch::channel(None);
        let (leaves, of_leaves) = watch::channel(None);
        let (wish, of_wish) = watch::channel(Wish::Run);
        let doubts = Rc::<Doubts>::default();
        let released = Rc::new(tokio::sync::Notify::new());
        let job = Job {
            name: record.name.clone(),
            id: of_id,
            view: of_view,
            ends: of_ends,
            wish,
            doubts: Rc::clone(&doubts),
            released: Rc::clone(&released),
            output: folder.file(OUTPUT),
            nook: record.nook.clone(),
            leaves: of_leaves,
            key,
        };
        let owner = JobOwner {
            tools: self.tools.clone(),
            poller: self.poller.clone(),
            folder,
            record,
            ask,
            adopted,
            id,
            view,
            ends,
            leaves,
            doubts,
            released,
            wish: of_wish,
        };
        tokio::task::spawn_local(owner.run());
        job
    }

    /// What a job prints; the channel ends when all is read after `over` has become true. Of a job that was `adopted` most of what the earlier
    /// manager has read is left out, and the rest of that is said to be there `again`. Of those whose output can't be read yet, the ones that are `wanted` come first.
    pub fn output(
        &self,
        job: &Job,
        adopted: bool,
        again: AlreadyKept,
        over: watch::Receiver<bool>,
        wanted: IsFollowed,
    ) -> mpsc::Receiver<Vec<u8>> {
        let past = Past { mark: ReadPosition::of(&self.files.folder(&job.name)), adopted, again };
        let Some(nook) = job.nook.clone() else { return follow(job.output(), past, over) };
        let reader = OutputReader {
            tools: self.tools.clone(),
            turns: Rc::clone(&self.turns),
            wanted,
            name: job.name.clone(),
            nook,
            id: job.id.clone(),
            view: job.view(),
            doubts: Rc::clone(&job.doubts),
            past,
            over,
        };
        reader.follow()
    }

    /// The user's jobs that some manager has submitted and that aren't over.
    ///
    /// # Errors
    /// Slurm doesn't say.
    pub async fn jobs(&self) -> Result<Vec<SubmittedJob>, ToolError> {
        let text = self.tools.run(&commands::own_jobs(None)).await?;
        let prefix = self.files.prefix();
        let rows = parse::own_rows(&text).into_iter();
        let rows = rows.filter(|row| {
            row.name.starts_with(PREFIX) && !row.state.is_over() && row.state != JobState::Completing
        });
        Ok(rows
            .map(|row| SubmittedJob {
                id: row.id,
                ours: row.name.starts_with(&prefix),
                name: row.name,
                folder: row.folder.into(),
            })
            .collect())
    }

    /// Tells a job to end that nobody holds.
    ///
    /// # Errors
    /// Slurm doesn't take the order.
    pub async fn cancel(&self, id: u64) -> Result<(), ToolError> {
        self.tools.run(&commands::cancel(id)).await.map(drop)
    }
}

/// The script as it goes along with the job; `None`: nothing does, or it isn't a text, and has to be on the node.
pub(crate) async fn sent(launch: &Launch, ask: &SlurmRequest) -> io::Result<Option<SentScript>> {
    match (launch, &ask.node_folder) {
        (Launch::Script(path), Some(_)) => {
            let path = path.clone();
            aside(move || read(&path)).await
        }
        _ => Ok(None),
    }
}

fn read(path: &Path) -> io::Result<Option<SentScript>> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let bytes = std::fs::read(path).map_err(named)?;
    Ok(SentScript::new(bytes, is_executable(path)))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(_: &Path) -> bool {
    true
}

/// A job whose state folder is gone, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrphanJob {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Where its files were.
    pub folder: PathBuf,
    /// It was submitted from another machine, where the folder may be: it is left alone.
    pub elsewhere: Option<String>,
    /// Slurm didn't say from where it was submitted.
    pub unsure: Option<ToolError>,
}

/// The user's jobs that some manager has submitted and whose folders are gone.
///
/// # Errors
/// Slurm doesn't say.
pub async fn orphans(hostname: &str) -> Result<Vec<OrphanJob>, ToolError> {
    let tools = Tools::new(None);
    let mut found = Vec::new();
    for row in parse::own_rows(&tools.run(&commands::own_jobs(None)).await?) {
        let folder = PathBuf::from(&row.folder);
        let gone = folder.clone();
        let ours = row.name.starts_with(PREFIX) && !row.state.is_over() && row.state != JobState::Completing;
        // What can't be looked at isn't gone.
        if !ours || aside(move || gone.try_exists()).await.unwrap_or(true) {
            continue;
        }
        let shown = tools.run(&commands::show(row.id)).await;
        let (shown, unsure) = match shown {
            Ok(shown) => (shown, None),
            Err(error) => (String::new(), Some(error)),
        };
        let host = parse::field(&shown, "AllocNode:Sid").and_then(|value| value.split(':').next());
        let short = |host: &str| host.split('.').next().unwrap_or_default().to_owned();
        let elsewhere = host.filter(|host| *host != "localhost" && short(host) != short(hostname));
        let elsewhere = elsewhere.map(str::to_owned);
        found.push(OrphanJob { id: row.id, name: row.name, folder, elsewhere, unsure });
    }
    Ok(found)
}

/// Tells an orphan to end.
///
/// # Errors
/// Slurm doesn't take the order.
pub async fn end_orphan(orphan: &OrphanJob) -> Result<(), ToolError> {
    Tools::new(None).run(&commands::cancel(orphan.id)).await.map(drop)
}
