//! The guard: a process that ends the backends of a manager that was killed. It is replaced if it dies.

use llm_manager_process as process;
use llm_manager_process::GuardHandle;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::oneshot;

const PAUSE: Duration = Duration::from_secs(1);
/// Between tries to start one, once many have failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Keeps a guard alive until it is sent home.
pub(super) struct Guard {
    go_home: oneshot::Sender<()>,
    keeper: actix_web::rt::task::JoinHandle<()>,
}

impl Guard {
    /// Starts a guard for the runs of `instance`. Without one, the program runs all the same, and says what
    /// that means.
    pub(super) fn start(state_dir: &Path, instance: &str) -> Self {
        let (go_home, homeward) = oneshot::channel();
        if !process::NEEDS_GUARD {
            return Self { go_home, keeper: actix_web::rt::spawn(async { drop(homeward.await) }) };
        }
        let (state_dir, instance) = (state_dir.to_owned(), instance.to_owned());
        let keeper = actix_web::rt::spawn(keep(state_dir, instance, homeward));
        Self { go_home, keeper }
    }

    /// Leaves it to its work: this manager can't end, or can't even see, all that it has started.
    pub(super) fn take_over(self) {
        // Its pipe closes with the keeper.
        self.keeper.abort();
        log::warn!("stopped; processes of backends may be left: the guard looks for them and ends them");
    }

    /// Sends it home; only after every run has ended.
    pub(super) async fn bye(self) {
        // A keeper that has ended has no guard to send home.
        let _ = self.go_home.send(());
        if let Err(error) = self.keeper.await {
            log::warn!("the guard did not shut down cleanly: {error}");
        }
    }
}

async fn keep(state_dir: PathBuf, instance: String, mut homeward: oneshot::Receiver<()>) {
    let mut pause = PAUSE;
    loop {
        let mut guard = match spawn(&state_dir, &instance) {
            Ok(guard) => guard,
            Err(error) => {
                if pause == PAUSE {
                    log::warn!(
                        "no guard: children of backends may outlive a killed manager ({error}); trying again"
                    );
                }
                tokio::select! {
                    biased;
                    _ = &mut homeward => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
        };
        pause = PAUSE;
        let died = tokio::select! {
            biased;
            _ = &mut homeward => None,
            how = guard.ended() => Some(how),
        };
        let Some(how) = died else {
            guard.bye().await;
            return;
        };
        log::warn!("the guard has exited ({how}); starting another one");
        tokio::time::sleep(PAUSE).await;
    }
}

fn spawn(state_dir: &Path, instance: &str) -> io::Result<GuardHandle> {
    let exe = std::env::current_exe()?;
    process::spawn_guard(&exe, [OsStr::new("guard"), state_dir.as_os_str(), OsStr::new(instance)])
}
