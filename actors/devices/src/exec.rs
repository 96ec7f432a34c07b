//! A device that the user's command tells about.
//!
//! The command prints one JSON object and exits with 0. Whatever else it does is an error that says what it
//! printed; it is killed with all that it started when it takes too long or prints too much.

#[cfg(test)]
mod tests;
#[cfg(test)]
mod worked_examples;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use llm_manager_policy::spec::DevicePluginSpec;
use llm_manager_policy::system::exit_code;
use llm_manager_process::{ProcessGroup, decode};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::{DevicePlugin, ProcessMemory, Sample};

/// How long a command may run.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);
/// What it may print, on either stream.
const OUTPUT_LIMIT: usize = 64 << 10;
/// SIGKILL needs no time, unless a driver holds the process in the kernel.
const REAP_LIMIT: Duration = Duration::from_secs(1);
/// How much of it an error shows.
const SHOWN: usize = 200;
/// A petabyte, in MiB.
const MOST_MEMORY: f64 = (1_u64 << 30) as f64;

/// The plugin.
pub struct Exec {
    name: String,
    command: Vec<String>,
    base_dir: PathBuf,
    env: Vec<(String, String)>,
    timeout: Duration,
    runtime: Option<Runtime>,
    /// Turns true, or closes, when the manager ends.
    stop: Option<watch::Receiver<bool>>,
}

/// What the command prints. Other fields are its own business.
#[derive(Deserialize)]
struct Printed {
    online: Option<bool>,
    memory_total_mb: Option<f64>,
    memory_used_mb: Option<f64>,
    utilization: Option<f64>,
    temperature_c: Option<f64>,
    power_w: Option<f64>,
    uuid: Option<String>,
    pci: Option<String>,
    processes: Option<Vec<PrintedProcess>>,
}

/// A process on the device.
#[derive(Deserialize)]
struct PrintedProcess {
    pid: u32,
    memory_mb: Option<f64>,
}

impl Exec {
    /// Runs the command in `base_dir`, with `env` in addition, for at most `timeout`.
    pub fn new(
        spec: DevicePluginSpec,
        base_dir: PathBuf,
        env: Vec<(String, String)>,
        timeout: Duration,
    ) -> Self {
        Self { name: spec.name, command: spec.command, base_dir, env, timeout, runtime: None, stop: None }
    }

    /// Kills the command, and runs it no more, when `stop` turns true or closes.
    #[must_use]
    pub fn until(mut self, stop: watch::Receiver<bool>) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Resolves when the manager ends.
    async fn stopped(&self) {
        match &self.stop {
            // An error: the sender is gone, and the manager with it.
            Some(stop) => drop(stop.clone().wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }

    fn program(&self) -> Result<(PathBuf, &[String]), String> {
        let (program, arguments) = self.command.split_first().ok_or("its `command` is empty")?;
        let path = Path::new(program);
        // One with a slash starts in the configuration's folder on every system, others in PATH.
        let relative = path.is_relative() && path.components().count() > 1 || program.starts_with("./");
        Ok((if relative { self.base_dir.join(path) } else { path.to_owned() }, arguments))
    }

    fn spawn(&self) -> Result<(Child, ProcessGroup), String> {
        let (program, arguments) = self.program()?;
        let mut command = std::process::Command::new(&program);
        command
            .args(arguments)
            .current_dir(&self.base_dir)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        llm_manager_process::die_with_this_thread(&mut command);
        ProcessGroup::spawn(command).map_err(|error| cannot_run(&program, &self.base_dir, &error))
    }

    async fn run(&self) -> Result<Printed, String> {
        const STOPPED: &str = "the manager ends";
        if self.stop.as_ref().is_some_and(|stop| *stop.borrow() || stop.has_changed().is_err()) {
            return Err(STOPPED.to_owned());
        }
        let (mut child, group) = self.spawn()?;
        let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err("its output can't be read".to_owned());
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = async { Ok::<_, Flood>(child.wait().await) };
        // One reader that gives up ends the wait.
        let all = async { tokio::try_join!(read(&mut stdout, &mut out), read(&mut stderr, &mut err), exit) };
        let ended = tokio::select! {
            ended = tokio::time::timeout(self.timeout, all) => Some(ended),
            () = self.stopped() => None,
        };
        drop(group);
        // What was killed leaves no zombie, unless a driver holds it.
        let _ = tokio::time::timeout(REAP_LIMIT, child.wait()).await;
        let seconds = self.timeout.as_secs_f32();
        let Some(ended) = ended else { return Err(STOPPED.to_owned()) };
        match ended {
            Err(_) => Err(format!("took longer than {seconds} s and was killed{}", shown(&out, &err))),
            Ok(Err(Flood)) => Err(format!(
                "printed more than {} KiB and was killed{}",
                OUTPUT_LIMIT >> 10,
                shown(&out, &err)
            )),
            Ok(Ok((.., Err(error)))) => Err(format!("its exit can't be seen: {error}")),
            Ok(Ok((.., Ok(status)))) if !status.success() => {
                Err(format!("ended with {}{}", end_of(status), shown(&out, &err)))
            }
            Ok(Ok(_)) => parse(&out).map_err(|why| format!("{why}{}", shown(&out, &err))),
        }
    }
}

/// It prints without end.
struct Flood;

/// Reads to the end.
async fn read(from: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> Result<(), Flood> {
    let limit = u64::try_from(OUTPUT_LIMIT).unwrap_or(u64::MAX) + 1;
    // A stream that breaks has ended.
    let _ = from.take(limit).read_to_end(into).await;
    if into.len() > OUTPUT_LIMIT { Err(Flood) } else { Ok(()) }
}

impl DevicePlugin for Exec {
    fn name(&self) -> &str {
        &self.name
    }

    fn sample(&mut self) -> Result<Vec<Sample>, String> {
        let runtime = match self.runtime.take() {
            Some(runtime) => runtime,
            None => Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| format!("nothing can be run: {error}"))?,
        };
        let printed = runtime.block_on(self.run());
        self.runtime = Some(runtime);
        let printed = printed?;
        let sample = Sample {
            name: self.name.clone(),
            plugin: "exec",
            uuid: printed.uuid,
            pci: printed.pci,
            online: printed.online.unwrap_or(true),
            memory_total_mib: printed.memory_total_mb.map(whole),
            memory_used_mib: printed.memory_used_mb.map(|mib| whole(mib.ceil())),
            utilization: printed.utilization.map(narrow),
            temperature_c: printed.temperature_c.map(narrow),
            power_w: printed.power_w.map(narrow),
            processes: printed
                .processes
                .into_iter()
                .flatten()
                .map(|one| ProcessMemory { pid: one.pid, mib: one.memory_mb.map(|mib| whole(mib.ceil())) })
                .collect(),
            ..Sample::default()
        };
        Ok(vec![if sample.online { sample } else { sample.offline() }])
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`parse` has seen that it is between 0 and a petabyte"
)]
const fn whole(mib: f64) -> u64 {
    mib as u64
}

#[expect(clippy::cast_possible_truncation, reason = "`parse` has seen that it is small")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

/// What it printed, if that can be true.
fn parse(out: &[u8]) -> Result<Printed, String> {
    if out.trim_ascii().is_empty() {
        return Err("printed nothing".to_owned());
    }
    // An array would be taken for the fields in order.
    if out.trim_ascii_start().first() != Some(&b'{') {
        return Err("did not print one JSON object".to_owned());
    }
    let printed: Printed = serde_json::from_slice(out).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => format!("printed a field of a wrong type: {error}"),
        _ => format!("did not print one JSON object: {error}"),
    })?;
    if printed.online.is_none() && printed.memory_total_mb.is_none() {
        return Err("printed neither `online` nor `memory_total_mb`".to_owned());
    }
    let fields = [
        ("memory_total_mb", printed.memory_total_mb, 0.0, MOST_MEMORY),
        ("memory_used_mb", printed.memory_used_mb, 0.0, MOST_MEMORY),
        ("utilization", printed.utilization, 0.0, 100.0),
        ("temperature_c", printed.temperature_c, -273.15, 1000.0),
        ("power_w", printed.power_w, 0.0, 100_000.0),
    ];
    for (name, value, least, most) in fields {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            return Err(format!("{name} can't be {value}"));
        }
    }
    let amounts = printed.processes.iter().flatten().filter_map(|process| process.memory_mb);
    for value in amounts {
        if !(0.0..=MOST_MEMORY).contains(&value) {
            return Err(format!("processes: memory_mb can't be {value}"));
        }
    }
    match (printed.memory_used_mb, printed.memory_total_mb) {
        (Some(used), Some(total)) if used > total => {
            Err(format!("memory_used_mb can't be {used} with a memory_total_mb of {total}"))
        }
        _ => Ok(printed),
    }
}

/// Says what was missing.
fn cannot_run(program: &Path, base_dir: &Path, error: &io::Error) -> String {
    let program = program.display();
    match error.kind() {
        _ if !base_dir.is_dir() => format!("the folder {} is not there", base_dir.display()),
        io::ErrorKind::NotFound => {
            format!("{program} is not there, or its first line names a program that is not")
        }
        io::ErrorKind::PermissionDenied => format!("{program} may not be run: chmod +x {program}"),
        _ if error.raw_os_error() == Some(8) => {
            format!("{program} can't be run: its first line should be like #!/bin/sh")
        }
        _ => format!("{program} can't be run: {error}"),
    }
}

fn end_of(status: ExitStatus) -> String {
    status.code().map_or_else(|| status.to_string(), |code| exit_code(code.cast_unsigned()))
}

/// What it printed, as the end of a sentence; errors before output.
fn shown(out: &[u8], err: &[u8]) -> String {
    let text = if err.trim_ascii().is_empty() { out } else { err };
    let text = decode(text.get(..OUTPUT_LIMIT.min(text.len())).unwrap_or_default());
    let text: Vec<&str> = text.split_whitespace().collect();
    let text = text.join(" ");
    if text.is_empty() {
        return String::new();
    }
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    format!(" (it printed: {short})")
}
