//! NVIDIA's cards, through the driver's management library (NVML).
//!
//! That the library is missing, the driver is reset, or a card falls off the bus and comes back are normal
//! events. NVML counts the cards when it is initialised, so finding new ones means to initialise it again:
//! when the bus says that something changed, when a card is missing (in ever longer intervals), and now and
//! then where the bus can't be read.

mod read;
mod roster;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use super::{DevicePlugin, Sample};
pub use read::NAME;
use read::{Session, explain};
use roster::CardRoster;

/// Where the library may be when the loader doesn't find it: WSL, NixOS; drivers of Windows from before 2019.
#[cfg(not(windows))]
const ELSEWHERE: &[&str] =
    &["/usr/lib/wsl/lib/libnvidia-ml.so.1", "/run/opengl-driver/lib/libnvidia-ml.so.1"];
#[cfg(windows)]
const ELSEWHERE: &[&str] = &[r"C:\Program Files\NVIDIA Corporation\NVSMI\nvml.dll"];
/// What isn't there when there is no driver.
const LIBRARY: &str = if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" };
/// One entry per card that the driver has; appears and disappears with it.
const BUS: &str = "/sys/bus/pci/drivers/nvidia";
/// Between two attempts to initialise. Each wakes the cards up, so not too often.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Where the bus can't be read.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// Why there is no session.
enum Down {
    /// No library or no driver: there is no card.
    Absent,
    /// There should be one.
    Broken(String),
}

/// The plugin.
pub struct Nvidia {
    library: Option<PathBuf>,
    bus: PathBuf,
    session: Option<Session>,
    down: Down,
    roster: CardRoster,
    slots: Option<BTreeSet<String>>,
    opened_at: Instant,
    retry_at: Option<Instant>,
    pause: Duration,
    first_pause: Duration,
    told_absent: bool,
}

impl Nvidia {
    /// Uses the library at `path`, or looks for the system's.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self {
            library: path,
            bus: PathBuf::from(BUS),
            session: None,
            down: Down::Absent,
            roster: CardRoster::default(),
            slots: None,
            opened_at: Instant::now(),
            retry_at: None,
            pause: FIRST_PAUSE,
            first_pause: FIRST_PAUSE,
            told_absent: false,
        }
    }

    /// What the bus shows; `None` where it can't be read.
    fn slots(&self) -> Option<BTreeSet<String>> {
        let entries = std::fs::read_dir(&self.bus).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Some(names.filter(|name| name.contains(':')).collect())
    }

    /// Closes a session that may not show what is there.
    fn close_if_outdated(&mut self) {
        let now = Instant::now();
        let slots = self.slots();
        if slots != self.slots {
            if self.session.is_some() || slots.is_some() {
                log::debug!("devices/{NAME}: the cards on the bus have changed: looking again");
            }
            self.session = None;
            self.slots = slots;
            self.pause = self.first_pause;
            self.retry_at = None;
            return;
        }
        let due = self.retry_at.is_some_and(|at| now >= at);
        let blind = self.slots.is_none() && now.duration_since(self.opened_at) > LOOK_AGAIN;
        if self.session.is_some() && (due || blind) {
            self.session = None;
            self.retry_at = None;
        }
    }

    /// Initialises NVML, unless it is too early for another attempt.
    fn open(&mut self) {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| now < at) {
            return;
        }
        self.retry_at = None;
        match self.init() {
            Ok(nvml) => {
                self.session = Some(Session::new(nvml));
                self.opened_at = now;
            }
            Err(error) if absent(&error) => {
                self.down = Down::Absent;
                if !std::mem::replace(&mut self.told_absent, true) && self.roster.is_empty() {
                    log::info!("devices/{NAME}: no NVIDIA card here ({})", short(&error));
                }
                self.roster.all_gone("the driver is not loaded");
                self.retry_later();
            }
            Err(error) => {
                self.down = Down::Broken(explain(&error));
                self.retry_later();
            }
        }
    }

    fn init(&self) -> Result<Nvml, NvmlError> {
        let at = |path: &OsStr| Nvml::builder().lib_path(path).init();
        if let Some(path) = &self.library {
            return at(path.as_os_str());
        }
        let error = match Nvml::init() {
            Err(error @ NvmlError::LibloadingError(_)) => error,
            found => return found,
        };
        let found = ELSEWHERE.iter().map(|path| at(path.as_ref()));
        let mut found = found.filter(|found| !matches!(found, Err(NvmlError::LibloadingError(_))));
        found.next().unwrap_or(Err(error))
    }

    fn retry_later(&mut self) {
        self.retry_at = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}

impl DevicePlugin for Nvidia {
    fn name(&self) -> &str {
        NAME
    }

    fn sample(&mut self) -> Result<Vec<Sample>, String> {
        self.close_if_outdated();
        if self.session.is_none() {
            self.open();
        }
        let Some(session) = &mut self.session else {
            return match &self.down {
                Down::Absent => Ok(self.roster.samples()),
                Down::Broken(why) => Err(why.clone()),
            };
        };
        match session.read() {
            Ok(readings) => {
                self.told_absent = false;
                self.roster.update(readings);
                if self.roster.complete() {
                    self.pause = self.first_pause;
                    self.retry_at = None;
                } else if self.retry_at.is_none() {
                    self.retry_later();
                }
                Ok(self.roster.samples())
            }
            Err(error) => {
                let why = explain(&error);
                self.session = None;
                self.down = Down::Broken(why.clone());
                self.retry_later();
                Err(why)
            }
        }
    }
}

/// Whether this error means that the machine has no card, now.
const fn absent(error: &NvmlError) -> bool {
    matches!(error, NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound | NvmlError::DriverNotLoaded)
}

fn short(error: &NvmlError) -> String {
    match error {
        NvmlError::DriverNotLoaded => "the driver is not loaded".to_owned(),
        // A static program has no loader of libraries, whatever is installed.
        _ if cfg!(all(target_os = "linux", target_feature = "crt-static")) => {
            format!("this static program can't load {LIBRARY}; the one that isn't static can")
        }
        _ => format!("{LIBRARY} is not installed"),
    }
}
