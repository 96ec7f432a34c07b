//! Asks the manager how it is, and tells it what was clicked. A thread of its own: the icon's must never wait.

use super::menu::{Action, DeviceItem, ManagerStatus, ModelItem, PAUSE_HOURS};
use super::ui::TrayEvent;
use crate::cli::client::{ManagerClient, segment};
use crate::config;
use awc::http::Method;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Between two questions.
const PACE: Duration = Duration::from_secs(2);
/// A manager that is silent for so long is lost.
const PATIENCE: Duration = Duration::from_secs(5);
/// More clicks than this at once are not a person's; they are dropped.
const CLICKS: usize = 16;

#[derive(Deserialize)]
struct Paused {
    paused: bool,
}

/// Starts asking; the answer takes orders.
pub(super) fn start(config: &Path, events: SyncSender<TrayEvent>) -> Result<Sender<Action>, String> {
    let (orders, inbox) = channel(CLICKS);
    let config = config.to_owned();
    std::thread::Builder::new()
        .name("link".to_owned())
        .spawn(move || actix_web::rt::System::new().block_on(run(config, events, inbox)))
        .map_err(|error| format!("no thread: {error}"))?;
    Ok(orders)
}

async fn run(config: PathBuf, events: SyncSender<TrayEvent>, mut inbox: Receiver<Action>) {
    let mut note = None;
    loop {
        // Read anew each time: a manager that comes back may have another port or key.
        let seen = match config::load_program(&config, &crate::cli::client::KEYS) {
            Ok(program) => match ManagerClient::of(&config, &program) {
                Ok(manager) => look(&manager, note.clone()).await,
                Err(error) => ManagerStatus::Lost(first_line(&error)),
            },
            Err(report) => ManagerStatus::Lost(first_line(&report.to_string())),
        };
        // One that is full shows older news for a moment; the next look comes soon.
        let _ = events.try_send(TrayEvent::Seen(seen));
        match tokio::time::timeout(PACE, inbox.recv()).await {
            Err(_) => {}
            Ok(None) => return,
            Ok(Some(action)) => note = obey(&config, action).await.err().map(|error| first_line(&error)),
        }
    }
}

async fn look(manager: &ManagerClient, note: Option<String>) -> ManagerStatus {
    let asked = async {
        let models: Vec<ModelItem> = manager.ask_json(Method::GET, "/api/models").await?;
        let Paused { paused } = manager.ask_json(Method::GET, "/api/pause").await?;
        let devices: Vec<DeviceItem> = manager.ask_json(Method::GET, "/api/devices").await?;
        Ok::<_, String>(ManagerStatus::Up { paused, models, devices, note })
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(seen)) => seen,
        Ok(Err(error)) => ManagerStatus::Lost(first_line(&error)),
        Err(_) => ManagerStatus::Lost(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn obey(config: &Path, action: Action) -> Result<(), String> {
    let program =
        config::load_program(config, &crate::cli::client::KEYS).map_err(|report| report.to_string())?;
    let manager = ManagerClient::of(config, &program)?;
    let path = match action {
        Action::Start(name) => format!("/api/models/{}/start?wait=false", segment(&name)),
        Action::Stop(name) => format!("/api/models/{}/stop?wait=false", segment(&name)),
        Action::NotNow(id, true) => {
            format!("/api/devices/{}/pause?minutes={}", segment(&id), PAUSE_HOURS * 60)
        }
        Action::NotNow(id, false) => format!("/api/devices/{}/resume", segment(&id)),
        Action::Pause(true) => "/api/pause".to_owned(),
        Action::Pause(false) => "/api/resume".to_owned(),
        Action::StopManager => "/api/shutdown".to_owned(),
        Action::OpenDashboard => {
            let url = manager.base().to_owned();
            return blocking(move || super::login::open(&url)).await;
        }
        Action::AtLogin(on) => {
            let config = config.to_owned();
            return blocking(move || super::login::set(&config, on)).await;
        }
        Action::Quit => return Ok(()),
    };
    manager.ask(Method::POST, &path).await.map(|_| ())
}

async fn blocking(work: impl FnOnce() -> Result<(), String> + Send + 'static) -> Result<(), String> {
    actix_web::rt::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()))
}

/// A menu has one line for it.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(120).collect()
}
