//! The opening of the ledger: one of an older version is brought up to date first, which takes minutes where there are millions of
//! requests. Meanwhile the system is told that it goes on, and whoever wants it to end is heard.

use super::ledger::OpenLedger;
use super::notify;
use super::signals::Signals;
use llm_manager_policy::spec::ProgramSpec;
use std::path::Path;
use tokio::sync::oneshot;

/// A ledger that is being opened.
pub(super) struct OpeningLedger(oneshot::Receiver<Result<OpenLedger, String>>);

impl OpeningLedger {
    /// Begins it on a thread of its own, for whose end the program doesn't wait.
    pub(super) fn begin(program: &ProgramSpec, state_dir: &Path) -> Result<Self, String> {
        let (program, state_dir) = (program.clone(), state_dir.to_owned());
        let (answer, opened) = oneshot::channel();
        let thread = std::thread::Builder::new().name("ledger-opening".to_owned());
        thread
            .spawn(move || {
                // Nobody waits for it any more if the program ends.
                let _ = answer.send(OpenLedger::open(&program, &state_dir));
            })
            .map_err(|error| {
                format!("the ledger: no thread can be had to open it ({error}); see `ulimit -u`")
            })?;
        Ok(Self(opened))
    }

    /// The books; `None`: the program was told to end before they were open. What a change of the ledger had begun is undone
    /// by the database.
    pub(super) async fn done(self, signals: &mut Signals) -> Result<Option<OpenLedger>, String> {
        let _told = notify::opening();
        tokio::select! {
            opened = self.0 => match opened {
                Ok(books) => books.map(Some),
                Err(_) => Err("the ledger: its opening broke off; the log says more".to_owned()),
            },
            name = signals.next() => {
                log::info!("{name}: stopped before the ledger was open; it is as its last complete step left it");
                Ok(None)
            }
        }
    }
}
