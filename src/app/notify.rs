//! What systemd is told of a unit of `Type=notify`: that the manager serves, that it still lives, that it stops.

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
pub(super) const fn ready(_address: &str) {}

#[cfg(not(target_os = "linux"))]
pub(super) const fn stopping() {}
