//! Signals: what asks the program to stop.

use tokio_util::sync::CancellationToken;

/// SIGTERM and Ctrl-C, one after the other; on Windows whatever a console may tell.
pub(super) struct Signals {
    /// The system, where the program is a service of Windows. It asks once.
    stop: Option<CancellationToken>,
    #[cfg(unix)]
    terminate: Option<tokio::signal::unix::Signal>,
    #[cfg(unix)]
    interrupt: Option<tokio::signal::unix::Signal>,
    #[cfg(windows)]
    ctrl_c: Option<tokio::signal::windows::CtrlC>,
    #[cfg(windows)]
    ctrl_break: Option<tokio::signal::windows::CtrlBreak>,
    #[cfg(windows)]
    close: Option<tokio::signal::windows::CtrlClose>,
    #[cfg(windows)]
    logoff: Option<tokio::signal::windows::CtrlLogoff>,
    #[cfg(windows)]
    shutdown: Option<tokio::signal::windows::CtrlShutdown>,
}

impl Signals {
    /// What asks next.
    pub(super) async fn next(&mut self) -> &'static str {
        let Some(stop) = self.stop.clone() else { return self.heard().await };
        tokio::select! {
            name = self.heard() => name,
            () = stop.cancelled() => {
                self.stop = None;
                "the service is being stopped"
            }
        }
    }
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new(stop: Option<CancellationToken>) -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind, name: &str| {
            signal(kind).inspect_err(|error| log::error!("can't install a handler for {name}: {error}")).ok()
        };
        // Whoever is heard doesn't end the program: writing fails instead, as on a full disk. Backends don't inherit that.
        drop(listen(SignalKind::from_raw(llm_manager_process::FILE_TOO_LARGE), "SIGXFSZ"));
        Self {
            stop,
            terminate: listen(SignalKind::terminate(), "SIGTERM"),
            interrupt: listen(SignalKind::interrupt(), "SIGINT"),
        }
    }

    async fn heard(&mut self) -> &'static str {
        async fn heard(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = heard(&mut self.terminate) => "SIGTERM",
            () = heard(&mut self.interrupt) => "SIGINT",
        }
    }
}

#[cfg(windows)]
impl Signals {
    pub(super) fn new(stop: Option<CancellationToken>) -> Self {
        use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};
        fn heard<T>(name: &str, listener: std::io::Result<T>) -> Option<T> {
            listener.inspect_err(|error| log::error!("can't install a handler for {name}: {error}")).ok()
        }
        Self {
            stop,
            ctrl_c: heard("Ctrl-C", ctrl_c()),
            ctrl_break: heard("Ctrl-Break", ctrl_break()),
            close: heard("the closing of the window", ctrl_close()),
            logoff: heard("the end of the session", ctrl_logoff()),
            shutdown: heard("the end of the system", ctrl_shutdown()),
        }
    }

    async fn heard(&mut self) -> &'static str {
        macro_rules! heard {
            ($listener:expr) => {
                async {
                    match &mut $listener {
                        Some(listener) => drop(listener.recv().await),
                        None => std::future::pending().await,
                    }
                }
            };
        }
        // The system gives a program some seconds after each of the last three, then it ends it; the job ends the
        // backends with it.
        tokio::select! {
            () = heard!(self.ctrl_c) => "Ctrl-C",
            () = heard!(self.ctrl_break) => "Ctrl-Break",
            () = heard!(self.close) => "the window is being closed",
            () = heard!(self.logoff) => "the session is ending",
            () = heard!(self.shutdown) => "the system is shutting down",
        }
    }
}

/// SIGHUP, by which daemons are told to read their configuration again; on Windows there is no such thing.
pub(super) struct ReloadSignal {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl ReloadSignal {
    /// From here on it does not end the program any more.
    pub(super) fn new() -> Self {
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup());
        Self { signal: signal.inspect_err(|error| log::error!("SIGHUP can't be heard: {error}")).ok() }
    }

    pub(super) async fn heard(&mut self) {
        match &mut self.signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(unix))]
impl ReloadSignal {
    pub(super) fn new() -> Self {
        Self {}
    }

    pub(super) async fn heard(&mut self) {
        std::future::pending().await
    }
}
