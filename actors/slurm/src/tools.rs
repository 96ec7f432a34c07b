//! Starts Slurm's programs, with nothing in their environment that changes what they do.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use crate::commands::SlurmCommand;
use crate::parse;
use llm_manager_process::far::Fence;

/// A program that says nothing for so long is ended. What it asked for may happen all the same.
const PATIENCE: Duration = Duration::from_secs(30);

/// All that Slurm's programs see of the manager's environment. `SBATCH_*` would override options, `SQUEUE_*` and `SCANCEL_*`
/// hide jobs.
const SEEN: &[&str] = &["HOME", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "SLURM_CONF", "USER"];

/// Why a program of Slurm gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolError {
    /// It isn't installed, or can't be started.
    NotStarted {
        /// Its name.
        program: &'static str,
        /// What the system said.
        cause: String,
    },
    /// It said no.
    Refused {
        /// Its name.
        program: &'static str,
        /// Its own words.
        words: String,
    },
    /// It wasn't called.
    Fenced {
        /// Its name.
        program: &'static str,
        /// Why.
        words: String,
    },
    /// The controller wasn't reached, or didn't answer in time. What was asked for may have been done.
    Unanswered {
        /// Its name.
        program: &'static str,
        /// Its own words.
        words: String,
    },
}

impl fmt::Display for ToolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted { program, cause } => write!(
                f,
                "can't start `{program}`: {cause}; is Slurm installed on this machine, and its folder in the manager's PATH?"
            ),
            Self::Refused { program, words } => write!(f, "{program} refused: {words}"),
            Self::Fenced { program, words } => write!(f, "{program} was not called: {words}"),
            Self::Unanswered { program, words } => {
                write!(f, "Slurm's controller doesn't answer ({program}: {words})")
            }
        }
    }
}

impl std::error::Error for ToolError {}

impl ToolError {
    /// Slurm's programs are installed here, and nobody has told them of a cluster.
    pub fn is_nowhere(&self) -> bool {
        matches!(self, Self::Refused { words, .. } if words.contains("configuration source"))
    }
}

/// Slurm's programs.
#[derive(Clone, Debug)]
pub(crate) struct Tools(Rc<Surroundings>);

#[derive(Debug)]
struct Surroundings {
    fence: Fence,
    /// What they see.
    environment: Vec<(&'static str, std::ffi::OsString)>,
    /// Where the users' scripts on the nodes find programs, Slurm's own too.
    path: String,
}

impl Tools {
    /// Those of the manager's `PATH`; `SLURM_CONF` may be given instead of the environment's.
    pub(crate) fn new(slurm_conf: Option<PathBuf>) -> Self {
        let mut environment: Vec<_> =
            SEEN.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))).collect();
        if let Some(conf) = slurm_conf {
            environment.retain(|(name, _)| *name != "SLURM_CONF");
            environment.push(("SLURM_CONF", conf.into()));
        }
        // Slurm's words are compared.
        environment.push(("LC_ALL", "C".into()));
        Self(Rc::new(Surroundings { fence: Fence::new(None), environment, path: path_of_jobs() }))
    }

    /// The same, behind a fence.
    pub(crate) fn within(self, fence: Fence) -> Self {
        let Surroundings { environment, path, .. } = &*self.0;
        Self(Rc::new(Surroundings { fence, environment: environment.clone(), path: path.clone() }))
    }

    /// The `PATH` of jobs.
    pub(crate) fn path_of_jobs(&self) -> &str {
        &self.0.path
    }

    fn command(&self, call: &SlurmCommand) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(call.program);
        let environment = self.0.environment.iter().map(|(name, value)| (name, value));
        command.args(&call.arguments).env_clear().envs(environment).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Starts a program that runs on; dropping it ends it.
    pub(crate) fn start(&self, call: &SlurmCommand) -> Result<tokio::process::Child, ToolError> {
        let started = self.command(call).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        started.map_err(|error| ToolError::NotStarted { program: call.program, cause: error.to_string() })
    }

    /// Runs a program to its end; what it printed.
    pub(crate) async fn run(&self, call: &SlurmCommand) -> Result<String, ToolError> {
        let program = call.program;
        // Looked at as late as can be.
        if matches!(program, "sbatch" | "scancel") && !self.0.fence.is_open() {
            return Err(ToolError::Fenced { program, words: Fence::CLOSED.to_owned() });
        }
        let mut command = self.command(call);
        let Ok(output) = tokio::time::timeout(PATIENCE, command.output()).await else {
            let words = format!("no answer within {} s", PATIENCE.as_secs());
            return Err(ToolError::Unanswered { program, words });
        };
        let output = output.map_err(|error| ToolError::NotStarted { program, cause: error.to_string() })?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let words = told(&String::from_utf8_lossy(&output.stderr), program);
        Err(if parse::is_unreachable(&words) {
            ToolError::Unanswered { program, words }
        } else {
            ToolError::Refused { program, words }
        })
    }
}

/// The folders of the system, and the one in which `sbatch` is found: it is the same on the nodes, as a rule.
fn path_of_jobs() -> String {
    let usual = ["/usr/local/bin", "/usr/bin", "/bin"];
    let found = std::env::var_os("PATH").and_then(|path| {
        std::env::split_paths(&path).find(|folder| folder.is_absolute() && folder.join("sbatch").is_file())
    });
    let own = found
        .map(|folder| folder.to_string_lossy().into_owned())
        .filter(|own| !usual.contains(&own.as_str()));
    own.iter().map(String::as_str).chain(usual).collect::<Vec<_>>().join(":")
}

/// Slurm's words in one line, without the name of the program before each.
pub(crate) fn told(text: &str, program: &str) -> String {
    let start = format!("{program}: ");
    let lines = text.lines().map(|line| {
        let line = line.trim();
        let line = line.strip_prefix(&start).unwrap_or(line);
        line.strip_prefix("error: ").or_else(|| line.strip_prefix("fatal: ")).unwrap_or(line)
    });
    let mut words: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    words.dedup();
    let words = words.join("; ");
    if words.is_empty() { "no word was said".to_owned() } else { words.chars().take(400).collect() }
}

#[cfg(test)]
mod tests {
    use super::{ToolError, told};

    #[test]
    fn slurms_words_are_quoted_in_one_line() {
        let text = "sbatch: error: invalid partition specified: x\nsbatch: error: Batch job submission failed: Invalid partition name specified\n";
        assert_eq!(
            told(text, "sbatch"),
            "invalid partition specified: x; Batch job submission failed: Invalid partition name specified"
        );
        assert_eq!(told("", "sbatch"), "no word was said");
    }

    #[test]
    fn programs_without_a_cluster_are_told_from_a_controller_that_is_away() {
        let text = "squeue: error: fetch_config: DNS SRV lookup failed\nsqueue: fatal: Could not establish a configuration source\n";
        let refused = |words: &str| ToolError::Refused { program: "squeue", words: words.to_owned() };
        assert!(refused(&told(text, "squeue")).is_nowhere());
        assert!(!refused("Invalid user").is_nowhere());
        let words = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)".to_owned();
        assert!(!ToolError::Unanswered { program: "squeue", words }.is_nowhere());
    }
}
