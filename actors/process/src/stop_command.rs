//! The command by which a user ends what a launch started elsewhere, such as a container.

use std::cell::Cell;
use std::time::Duration;

use super::LaunchOrder;
use super::Pipe;
use super::command::{self, Markers};
use super::group::ProcessGroup;
use super::output::RunOutput;

/// Runs at most once at a time, beside the signals.
pub(super) struct StopCommand {
    pub(super) order: LaunchOrder,
    pub(super) port: u16,
    pub(super) markers: Markers,
    pub(super) outlet: RunOutput,
    pub(super) runs: std::rc::Rc<Cell<bool>>,
}

impl StopCommand {
    /// What an operator may do about a listener that doesn't go.
    pub(super) fn advice(&self) -> &'static str {
        match self.order.stop_command {
            Some(_) => "; see what its `stop_command` printed",
            None => "; end it, or give the model a `stop_command` that does",
        }
    }

    /// Starts the command, if there is one and it doesn't run already.
    pub(super) fn run(&self) {
        let Some(words) = &self.order.stop_command else { return };
        if self.runs.replace(true) {
            return;
        }
        let model = self.order.model.clone();
        let words = command::filled_in(words, &self.order, self.port);
        let shown = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        log::info!("models/{model}: running its stop_command: {shown}");
        let child = ProcessGroup::spawn(command::build(&words, &self.order, self.port, &self.markers));
        let (runs, outlet, limit) = (self.runs.clone(), self.outlet.clone(), self.order.stop_timeout);
        actix_rt::spawn(async move {
            let ended = match child {
                Ok((child, group)) => {
                    let ended = until_ended(child, outlet, limit).await;
                    if ended.is_ok() {
                        // It may go on in the background; what is left then is ended with the run, or with the manager.
                        group.leave();
                    }
                    ended
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(why) = ended {
                log::warn!("models/{model}: its stop_command `{shown}` failed: {why}");
            }
            runs.set(false);
        });
    }
}

/// Its output goes where the backend's goes.
async fn until_ended(
    mut child: tokio::process::Child,
    outlet: RunOutput,
    limit: Duration,
) -> Result<(), String> {
    if let Some(pipe) = child.stdout.take() {
        actix_rt::spawn(outlet.clone().drain(Pipe::Stdout, pipe, |_| false));
    }
    if let Some(pipe) = child.stderr.take() {
        actix_rt::spawn(outlet.drain(Pipe::Stderr, pipe, |_| false));
    }
    match tokio::time::timeout(limit, child.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(super::platform::exit_text(status)),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it did not end within stop_timeout ({} s)", limit.as_secs_f64())),
    }
}
