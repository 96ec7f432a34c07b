//! What Slurm's programs are told: their arguments, as values.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use llm_manager_policy::cluster::SlurmRequest;

/// A program of Slurm with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SlurmCommand {
    pub program: &'static str,
    pub arguments: Vec<OsString>,
}

impl SlurmCommand {
    fn new<S: AsRef<OsStr>>(program: &'static str, arguments: impl IntoIterator<Item = S>) -> Self {
        Self { program, arguments: arguments.into_iter().map(|word| word.as_ref().to_owned()).collect() }
    }
}

/// `--option=path`.
fn of_path(option: &str, path: &Path) -> OsString {
    let mut word = OsString::from(option);
    word.push("=");
    word.push(path);
    word
}

/// The files of a job, see `records`; folder and output as its node sees them.
pub(crate) struct JobFiles<'a> {
    pub folder: &'a Path,
    pub output: &'a Path,
    pub environment: &'a Path,
    pub script: &'a Path,
}

/// What the user asks for, in Slurm's words.
pub(crate) fn wanted(ask: &SlurmRequest) -> Vec<String> {
    let mut words = vec![format!("--nodes={}", ask.nodes.unwrap_or(1))];
    let texts = [
        ("partition", &ask.partition),
        ("gres", &ask.gres),
        ("time", &ask.time),
        ("account", &ask.account),
        ("qos", &ask.qos),
        ("constraint", &ask.constraint),
        ("mem", &ask.mem),
    ];
    words.extend(texts.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?))));
    words.extend(ask.cpus.map(|cpus| format!("--cpus-per-task={cpus}")));
    words.extend(ask.extra.iter().cloned());
    words
}

/// Submits a job. The environment comes from a file, so that nothing of the manager's own gets into it.
pub(crate) fn submit(name: &str, ask: &SlurmRequest, files: &JobFiles<'_>) -> SlurmCommand {
    let mut call =
        SlurmCommand::new("sbatch", ["--parsable", "--no-requeue", "--open-mode=append", "--ntasks=1"]);
    let words = &mut call.arguments;
    words.push(format!("--job-name={name}").into());
    words.push(of_path("--chdir", files.folder));
    words.push(of_path("--export-file", files.environment));
    // In the name of the output `%` begins a field.
    let output = files.output.to_string_lossy().replace('%', "%%");
    words.push(format!("--output={output}").into());
    words.extend(wanted(ask).into_iter().map(Into::into));
    words.push(files.script.into());
    call
}

/// Reads what a job prints into a folder on its node, by a step of the job. It is beside whatever else runs in the job, and asks for nothing
/// of its own.
pub(crate) fn read(job: u64, nook: &str, from: &str) -> SlurmCommand {
    const OPTIONS: [&str; 12] = [
        "--overlap",
        "--nodes=1",
        "--ntasks=1",
        // The job's script runs on its first node.
        "--relative=0",
        "--gres=none",
        "--mpi=none",
        "--chdir=/",
        "--input=none",
        "--quiet",
        "--job-name=llm-manager-log",
        // By the variable the job's script knows whom it doesn't have to wait for.
        "--export=PATH=/usr/local/bin:/usr/bin:/bin,LLM_MANAGER_LOG=1",
        "/bin/sh",
    ];
    let mut call = SlurmCommand::new("srun", [format!("--jobid={job}")]);
    call.arguments.extend(OPTIONS.map(Into::into));
    let script = include_str!("log_reader.sh").lines().filter(|line| !line.starts_with('#'));
    let script = script.collect::<Vec<_>>().join("\n");
    call.arguments.extend(["-c", &script, "llm-manager-log", nook, from].map(Into::into));
    call
}

/// Fields of a row of [`look`]; the one that may hold a bar is the last.
pub(crate) const ROW: &str = "%i|%T|%N|%S|%L|%r|%k";

/// Asks about all jobs at once, ended ones too.
pub(crate) fn look(jobs: &[u64]) -> SlurmCommand {
    let list = jobs.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let ids = format!("--jobs={list}");
    SlurmCommand::new("squeue", ["--noheader", "--states=all", &ids, &format!("--format={ROW}")])
}

/// Fields of a row of [`own_jobs`].
pub(crate) const OWN_ROW: &str = "%i|%T|%j|%Z";

/// Asks for the user's jobs, by whose names the manager knows its own; `name`: only those of this name.
pub(crate) fn own_jobs(name: Option<&str>) -> SlurmCommand {
    let mut call =
        SlurmCommand::new("squeue", ["--noheader", "--me", "--states=all", &format!("--format={OWN_ROW}")]);
    call.arguments.extend(name.map(|name| format!("--name={name}").into()));
    call
}

/// Asks for all nodes.
pub(crate) fn nodes() -> SlurmCommand {
    SlurmCommand::new("sinfo", ["--Node", "--json"])
}

/// Asks for the jobs of everybody.
pub(crate) fn running() -> SlurmCommand {
    SlurmCommand::new("squeue", ["--states=RUNNING,SUSPENDED,COMPLETING", "--json"])
}

/// Asks how one job stands or ended.
pub(crate) fn show(job: u64) -> SlurmCommand {
    SlurmCommand::new("scontrol", ["--oneliner", "show", "job", &job.to_string()])
}

/// Asks a job to end: SIGTERM to all of it, SIGKILL after Slurm's `KillWait`.
pub(crate) fn cancel(job: u64) -> SlurmCommand {
    SlurmCommand::new("scancel", [job.to_string()])
}

/// Kills all of a job, its script's children too.
pub(crate) fn kill(job: u64) -> SlurmCommand {
    SlurmCommand::new("scancel", ["--signal=KILL", "--full", &job.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(call: &SlurmCommand) -> Vec<String> {
        call.arguments.iter().map(|word| word.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_submission_leaves_nothing_to_the_surroundings() {
        let ask = SlurmRequest {
            partition: Some("gpu".to_owned()),
            gres: Some("gpu:v100:2".to_owned()),
            time: Some("8:00:00".to_owned()),
            cpus: Some(4),
            extra: vec!["--licenses=x".to_owned()],
            ..SlurmRequest::default()
        };
        let files = JobFiles {
            folder: Path::new("/s/50%/n"),
            output: Path::new("/s/50%/n/out"),
            environment: Path::new("/s/50%/n/env"),
            script: Path::new("/s/50%/n/job.sh"),
        };
        let words = texts(&submit("n", &ask, &files));
        let wanted = "--parsable --no-requeue --open-mode=append --ntasks=1 --job-name=n --chdir=/s/50%/n \
                      --export-file=/s/50%/n/env --output=/s/50%%/n/out --nodes=1 --partition=gpu --gres=gpu:v100:2 \
                      --time=8:00:00 --cpus-per-task=4 --licenses=x /s/50%/n/job.sh";
        assert_eq!(words.join(" "), wanted);
    }

    #[test]
    fn one_question_is_for_all_jobs() {
        assert_eq!(
            texts(&look(&[3, 70])),
            ["--noheader", "--states=all", "--jobs=3,70", "--format=%i|%T|%N|%S|%L|%r|%k"]
        );
    }
}
