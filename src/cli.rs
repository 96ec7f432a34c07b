//! The command line: parses it, runs the command, answers the exit code.
//!
//! Exit codes: 0 success; 1 failure; 2 invalid configuration or usage.

mod checkpoint;
pub(crate) mod client;
mod cluster;
mod connect;
mod import;
mod init;
mod key;
mod ledger;
mod logs;
mod memory;
mod notify;
mod pages;
mod pause;
mod print;
#[cfg(test)]
mod reference;
mod remote;
mod statement;
mod usage;

use crate::{app, config, key_store, logging, service};
use clap::builder::NonEmptyStringValueParser;
use clap::{CommandFactory, Parser, Subcommand};
use llm_manager_ledger::{Location, backup as copy_ledger};
use llm_manager_process as process;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// One OpenAI-compatible address for many local model servers.
#[derive(Parser)]
#[command(name = "llm-manager", version = env!("LLM_MANAGER_VERSION"))]
struct Arguments {
    /// The configuration; relative paths in it start from its folder.
    #[arg(long, global = true, default_value = "config.yaml", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Run the manager in the foreground; the default command.
    Serve,
    /// Validate the configuration, report every problem and every missing device; starts nothing.
    Check,
    /// Have the running manager apply the changed configuration; models whose launch has not changed run on.
    Reload {
        /// Only print what would change.
        #[arg(long)]
        dry_run: bool,
    },
    /// Look for engines, model files and GPUs on this machine and write a commented configuration; starts nothing.
    Init(init::InitOrder),
    /// Import models, requests, runs and prices from llama-swap or the original LLM-Manager.
    ///
    /// Models go into the configuration if it doesn't exist yet; requests, runs and prices into the ledger, each only once. What has
    /// no counterpart is reported line by line.
    Import(import::ImportOrder),
    /// Print the settings for a client: address, key, models.
    Connect(connect::ConnectOrder),
    /// Show the models of the running manager.
    Status,
    /// Start a model of the running manager.
    Start {
        /// Name or alias.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        model: String,
    },
    /// Stop a model of the running manager.
    Stop {
        /// Name or alias.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        model: String,
        /// Cut running responses off.
        #[arg(long)]
        now: bool,
    },
    /// Stop a model of the running manager and start it again.
    Restart {
        /// Name or alias.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        model: String,
    },
    /// Park a model of the running manager: it gives its memory up and lives on.
    Park {
        /// Name or alias.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        model: String,
    },
    /// Wake a parked model of the running manager; start one that is stopped.
    Wake {
        /// Name or alias.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        model: String,
    },
    /// Print the output of a model's backend.
    Logs {
        /// Name or alias.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        model: String,
        /// Keep printing new lines.
        #[arg(short, long)]
        follow: bool,
        /// How many earlier lines to print; default: 200, with --since or --grep all that are found.
        #[arg(short = 'n', long)]
        tail: Option<usize>,
        /// Only of this run, as `/api/runs` numbers it, also of one before the manager's last start.
        #[arg(long, value_name = "ID", conflicts_with = "follow")]
        run: Option<i64>,
        /// Since this long (8h, 2d) or this time, from the files of all runs that are kept.
        #[arg(long, value_name = "TIME", value_parser = logs::moment, conflicts_with = "follow")]
        since: Option<jiff::Timestamp>,
        /// Only lines that match this regular expression.
        #[arg(long, value_name = "REGEX", value_parser = logs::pattern, conflicts_with = "follow")]
        grep: Option<regex::Regex>,
    },
    /// Say what would happen if a model were requested now: which variant, what makes room, or what is missing.
    Explain {
        /// Name or alias.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        model: String,
        /// Say instead what its memory is made of.
        #[arg(long)]
        memory: bool,
    },
    /// List the requests that wait for a model of the running manager, in order.
    Queue,
    /// End a request that waits or runs.
    Cancel {
        /// As `queue`, the log and the answer's `x-request-id` name it.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        id: String,
    },
    /// Show requests, tokens and cost, from the ledger of the running manager.
    Usage(usage::UsageOrder),
    /// Show what a month cost whom, from the ledger of the running manager.
    Statement(statement::StatementOrder),
    /// Rename the data of a removed model, through the running manager.
    Rename {
        /// The current name of the data.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        old: String,
        /// The new name.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        new: String,
        /// Merge with data that the new name already has; this can't be undone.
        #[arg(long)]
        merge: bool,
    },
    /// Keep models off a device for a while: another program needs it.
    ///
    /// Idle models on it stop at once, busy ones when their responses have ended.
    Pause {
        /// Name or id, as in `required_devices`.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        device: String,
        /// For how long: 30m, 2h, 1d; a week at the most.
        #[arg(long = "for", value_name = "TIME", value_parser = pause::minutes)]
        length: f64,
    },
    /// Let models use a paused device again.
    Resume {
        /// Name or id, as in `required_devices`.
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        device: String,
    },
    /// List whom the running manager notifies, and send a test.
    #[command(subcommand)]
    Notify(notify::NotifyOrder),
    /// Copy the ledger into a file, also while the manager runs; needs no manager.
    Backup {
        /// Must not exist yet.
        file: PathBuf,
    },
    /// Put a copy of the ledger in its place; the manager must not run.
    Restore {
        /// What `backup` or a migration has made; it stays as it is.
        file: PathBuf,
    },
    /// Maintain the ledger by hand, also while the manager runs; needs no manager.
    #[command(subcommand)]
    Ledger(ledger::LedgerOrder),
    /// Clean up what managers have left on a cluster.
    #[command(subcommand)]
    Cluster(cluster::ClusterOrder),
    /// Create, list, revoke and rotate keys beside those of the configuration.
    #[command(subcommand)]
    Key(key::KeyOrder),
    /// Show the supervision tree of the running manager.
    Tree,
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Run the manager as a service, which the system starts with the machine and again after a crash.
    ///
    /// On Linux a hardened systemd unit, on Windows a service. Needs no manager.
    Service {
        /// What to do.
        #[command(subcommand)]
        order: service::ServiceCommand,
        /// For this user only (Linux).
        #[arg(long, global = true)]
        user: bool,
    },
    /// Show the manager's state as an icon in the tray, with a menu.
    #[cfg(feature = "tray")]
    Tray {
        /// Only set whether the icon starts at log-in.
        #[arg(long, value_name = "ON")]
        at_login: Option<bool>,
    },
    /// Print the completions for a shell.
    Completions(pages::Completions),
    /// Print the man page, or write all of them.
    Man(pages::ManPages),
    /// Asks processes of Windows to end; started by the manager itself.
    #[command(hide = true)]
    CtrlBreak {
        /// Processes in the consoles that hear it.
        #[arg(required = true)]
        pids: Vec<u32>,
    },
    /// Has NVIDIA's driver checkpoint processes, or restore them; started by the manager itself.
    #[command(hide = true)]
    Checkpoint(checkpoint::CheckpointOrder),
    /// Ends the backends of a manager that was killed; started by the manager itself.
    #[command(hide = true)]
    Guard {
        /// Folder of the records of running backends.
        state_dir: PathBuf,
        /// The manager's instance.
        instance: String,
    },
}

/// Runs what the command line says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = arguments.config.as_path();
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve(path),
        Command::Check => check(path),
        Command::Reload { dry_run } => reload(path, dry_run),
        Command::Init(order) => tell(order.run(path)),
        Command::Import(order) => tell(order.run(path)),
        Command::Connect(order) => connect(path, &order),
        Command::Completions(order) => say(order.run(Arguments::command()).trim_end()),
        Command::Man(order) => tell(order.run(Arguments::command())),
        Command::Schema => say(&format!("{:#}", config::schema())),
        #[cfg(feature = "tray")]
        Command::Tray { at_login } => tray(path, at_login),
        Command::Service { order, user } => service(order, path, user),
        Command::CtrlBreak { pids } => match process::ctrl_break_main(&pids) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("ctrl-break: {error}"), 1),
        },
        Command::Checkpoint(order) => match order.run() {
            Ok(text) => say(&text),
            Err(refusal) => complain(&refusal.text, checkpoint::exit_code(&refusal)),
        },
        Command::Guard { state_dir, instance } => guard(&state_dir, &instance),
        Command::Status => remote(path, remote::RemoteCommand::Status),
        Command::Start { model } => remote(path, remote::RemoteCommand::Start(model)),
        Command::Stop { model, now } => remote(path, remote::RemoteCommand::Stop(model, now)),
        Command::Restart { model } => remote(path, remote::RemoteCommand::Restart(model)),
        Command::Park { model } => remote(path, remote::RemoteCommand::Park(model)),
        Command::Wake { model } => remote(path, remote::RemoteCommand::Wake(model)),
        Command::Logs { model, follow, tail, run: None, since: None, grep: None } => {
            remote(path, remote::RemoteCommand::Logs { model, follow, tail: tail.unwrap_or(200) })
        }
        Command::Logs { model, tail, run, since, grep, .. } => {
            logs::run(path, &logs::LogsOrder { model, run, since, grep, tail })
        }
        Command::Explain { model, memory } => remote(path, remote::RemoteCommand::Explain { model, memory }),
        Command::Queue => remote(path, remote::RemoteCommand::Queue),
        Command::Cancel { id } => remote(path, remote::RemoteCommand::Cancel { id }),
        Command::Usage(order) => remote(path, remote::RemoteCommand::Usage(order)),
        Command::Statement(order) => remote(path, remote::RemoteCommand::Statement(order)),
        Command::Rename { old, new, merge } => {
            remote(path, remote::RemoteCommand::Rename { old, new, merge })
        }
        Command::Pause { device, length } => {
            remote(path, remote::RemoteCommand::Pause { device, minutes: Some(length) })
        }
        Command::Resume { device } => remote(path, remote::RemoteCommand::Pause { device, minutes: None }),
        Command::Notify(order) => remote(path, remote::RemoteCommand::Notify(order)),
        Command::Backup { file } => backup(path, &file),
        Command::Restore { file } => ledger::put_back(path, &file),
        Command::Ledger(order) => ledger::run(path, &order),
        Command::Key(order) => key::run(path, &order),
        Command::Cluster(order) => cluster::run(&order),
        Command::Tree => remote(path, remote::RemoteCommand::Tree),
    }
}

fn serve(path: &Path) -> ExitCode {
    let loaded = match config::load(path) {
        Ok(loaded) => loaded,
        Err(report) => return complain(&report.to_string(), 2),
    };
    // Before the runtime, which can only panic about it.
    if let Err(error) = crate::limits::check() {
        return complain(&format!("llm-manager: {error}"), 1);
    }
    let ended = actix_web::rt::System::new().block_on(app::serve(loaded, path));
    logging::finish();
    match ended {
        Ok(app::ManagerExit::Stopped) => ExitCode::SUCCESS,
        // It comes back only when it has failed.
        Ok(app::ManagerExit::Restart) => {
            complain(&format!("llm-manager: it could not start again: {}", process::start_again()), 1)
        }
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

#[cfg(feature = "tray")]
fn tray(path: &Path, at_login: Option<bool>) -> ExitCode {
    let done = match at_login {
        Some(on) => crate::tray::set_login(path, on).map(|()| crate::tray::tell_login(on)),
        None => crate::tray::run(path).map(|()| ""),
    };
    match done {
        Ok("") => ExitCode::SUCCESS,
        Ok(told) => say(told),
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

fn service(order: service::ServiceCommand, path: &Path, user: bool) -> ExitCode {
    #[cfg(windows)]
    if order == service::ServiceCommand::Run {
        return match service::run(path) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&format!("llm-manager: {error}"), 1),
        };
    }
    match service::obey(order, path, user) {
        Ok(done) => {
            let said = say(&done.text);
            if done.success { said } else { ExitCode::FAILURE }
        }
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

fn check(path: &Path) -> ExitCode {
    match config::load(path) {
        Ok(loaded) => {
            let models = app::models(loaded.spec.models.len());
            let mut warnings = loaded.warnings.to_string();
            if !warnings.is_empty() {
                warnings.push('\n');
            }
            let programs = app::programs::check(&loaded.spec);
            for warning in programs.into_iter().chain(app::device_check::check(&loaded.spec)) {
                warnings.push_str(&format!("{}: warning: {warning}\n", path.display()));
            }
            say(&format!("{warnings}{}: no error; {models}", path.display()))
        }
        Err(report) => complain(&report.to_string(), 2),
    }
}

/// An error in the file is told as `check` tells it, by the same exit code.
fn reload(path: &Path, dry_run: bool) -> ExitCode {
    match config::load(path) {
        Ok(_) => remote(path, remote::RemoteCommand::Reload { dry_run }),
        Err(report) => complain(&format!("{report}\nnothing was changed"), 2),
    }
}

fn connect(path: &Path, order: &connect::ConnectOrder) -> ExitCode {
    match config::load(path) {
        Ok(mut loaded) => {
            let dir = app::backend_output::common_dir(&loaded.spec);
            if let Err(error) = key_store::merge(&mut loaded.spec, &dir) {
                return complain(&format!("llm-manager: {error}"), 1);
            }
            let program = &loaded.spec.program;
            tell(order.run(&loaded.spec, &format!("{}{}", client::origin(program), program.base_path)))
        }
        Err(report) => complain(&report.to_string(), 2),
    }
}

/// Prints what a command has to say, or why it failed.
fn tell(said: Result<String, String>) -> ExitCode {
    match said {
        Ok(text) => say(&text),
        Err(error) => complain(&format!("llm-manager: {error}"), 1),
    }
}

fn backup(path: &Path, target: &Path) -> ExitCode {
    let program = match config::load_program(path, &["database"]) {
        Ok(program) => program,
        Err(report) => return complain(&report.to_string(), 2),
    };
    let location = Location::parse(&program.database);
    if let Location::File(file) = &location
        && !file.exists()
    {
        let database = file.display();
        return complain(&format!("llm-manager: there is no ledger at {database} (`program.database`)"), 1);
    }
    match copy_ledger(&location, target) {
        Ok(()) => say(&format!("{}: a copy of {location}", target.display())),
        Err(error) => {
            let (text, target) = (error.to_string(), target.display().to_string());
            // It names the file itself where that is what is wrong.
            let text = if text.contains(&target) { text } else { format!("{target}: {text}") };
            complain(&format!("llm-manager: {text}"), 1)
        }
    }
}

fn guard(state_dir: &Path, instance: &str) -> ExitCode {
    match process::guard_main(state_dir, instance) {
        Ok(reaped) => {
            for run in reaped {
                complain(&format!("the manager is gone. {run}"), 0);
            }
            ExitCode::SUCCESS
        }
        Err(error) => complain(&format!("guard: {error}"), 1),
    }
}

fn remote(path: &Path, order: remote::RemoteCommand) -> ExitCode {
    let program = match config::load_program(path, &client::KEYS) {
        Ok(program) => program,
        Err(report) => return complain(&report.to_string(), 2),
    };
    match actix_web::rt::System::new().block_on(remote::run(path, &program, order)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Prints to standard output; a reader that has gone away (`| head`) is no error.
fn say(text: &str) -> ExitCode {
    print::print(text).map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

/// How a command ends that has failed, unless only its reader had enough.
fn failed(error: &str) -> ExitCode {
    if error == print::READER_GONE {
        return ExitCode::SUCCESS;
    }
    complain(&format!("llm-manager: {error}"), 1)
}

fn complain(text: &str, code: u8) -> ExitCode {
    logging::say_past_the_log(&print::aside(text));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    /// A variable of a script that isn't set: `llm-manager stop "$MODEL"`.
    #[test]
    fn no_name_may_be_empty() {
        for words in [
            "start",
            "stop",
            "restart",
            "park",
            "wake",
            "logs",
            "explain",
            "cancel",
            "rename old",
            "rename",
            "pause --for 1h",
            "resume",
            "notify test",
            "key revoke",
            "key rotate",
            "backup",
            "restore",
            "import",
            "ledger copy --to",
            "--config",
        ] {
            let words: Vec<_> = ["llm-manager"].into_iter().chain(words.split(' ')).chain([""]).collect();
            let refused = Arguments::try_parse_from(&words).err().map(|error| error.to_string());
            assert!(refused.is_some_and(|words| words.contains("a value is required")), "{words:?}");
        }
    }
}
