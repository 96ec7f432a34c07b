//! What systemd is told of a unit of `Type=notify`: that the manager serves, that it still lives, that it stops.

/// So often systemd is told that a start goes on, and twice as long it waits for the next time.
#[cfg(target_os = "linux")]
const STILL_STARTING: std::time::Duration = std::time::Duration::from_secs(15);
/// Whatever takes longer than a day hangs.
#[cfg(target_os = "linux")]
const LONGEST_START: u32 = 24 * 60 * 4;

/// The ledger is being opened, which takes as long as it takes: systemd's `TimeoutStartSec` would end it again and again. As long
/// as the answer is kept.
#[cfg(target_os = "linux")]
pub(super) fn opening() -> Option<tokio_util::task::AbortOnDropHandle<()>> {
    use sd_notify::NotifyState;
    Some(tokio_util::task::AbortOnDropHandle::new(actix_web::rt::spawn(async {
        let mut beat = tokio::time::interval(STILL_STARTING);
        let patience = u32::try_from(2 * STILL_STARTING.as_micros()).unwrap_or(u32::MAX);
        for _ in 0..LONGEST_START {
            beat.tick().await;
            tell(&[NotifyState::ExtendTimeoutUsec(patience), NotifyState::Status("opening the ledger")]);
        }
    })))
}

/// It serves. From here on it says that it lives, from the thread of the actors: one that hangs is silent.
#[cfg(target_os = "linux")]
pub(super) fn ready(address: &str) {
    use sd_notify::NotifyState;
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("serving at {address}"))]);
    if let Some(limit) = sd_notify::watchdog_enabled() {
        actix_web::rt::spawn(async move {
            let mut beat = tokio::time::interval(limit / 2);
            loop {
                beat.tick().await;
                tell(&[NotifyState::Watchdog]);
            }
        });
    }
}

/// It ends its backends. One that is about to start again isn't stopping for systemd.
#[cfg(target_os = "linux")]
pub(super) fn stopping() {
    tell(&[sd_notify::NotifyState::Stopping]);
}

#[cfg(target_os = "linux")]
fn tell(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!("can't report the state to systemd: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) const fn opening() -> Option<tokio_util::task::AbortOnDropHandle<()>> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) const fn ready(_address: &str) {}

#[cfg(not(target_os = "linux"))]
pub(super) const fn stopping() {}
