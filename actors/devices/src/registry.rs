//! Which plugins there are: the built-in ones, and the user's commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use llm_manager_policy::spec::DevicePluginSpec;
use tokio::sync::watch;

use super::exec::{DEFAULT_TIMEOUT, Exec};
use super::system::SysRoot;
use super::{DevicePlugin, Sample, amd, cpu, intel, nvidia};

/// How long a plugin may take until it is said to hang.
const PATIENCE: Duration = Duration::from_secs(5);

/// How to make a plugin, at the start and after a crash.
pub struct PluginFactory {
    /// `nvidia`, `cpu` or the name of the user's device.
    pub name: String,
    /// What its samples say in `plugin`.
    pub plugin: &'static str,
    /// How long a sample may take until the plugin is said to hang. Too short: a slow one flaps; too long:
    /// the devices of one that hangs are taken for present.
    pub patience: Duration,
    /// Turned true when the manager ends, for a plugin that has something to end.
    pub stop: Option<watch::Sender<bool>>,
    /// Makes it; called on the plugin's own thread.
    pub make: Box<dyn Fn() -> Box<dyn DevicePlugin> + Send>,
}

impl PluginFactory {
    /// A plugin with the usual patience.
    pub fn new(
        name: impl Into<String>,
        plugin: &'static str,
        make: impl Fn() -> Box<dyn DevicePlugin> + Send + 'static,
    ) -> Self {
        Self { name: name.into(), plugin, patience: PATIENCE, stop: None, make: Box::new(make) }
    }
}

/// Whether a sample came from the plugin of that name and kind.
pub fn made_by(sample: &Sample, name: &str, plugin: &str) -> bool {
    sample.plugin == plugin && (plugin != "exec" || sample.name == name)
}

/// All plugins, in the order in which their devices are shown.
#[derive(Default)]
pub struct Registry {
    pub sources: Vec<PluginFactory>,
}

impl Registry {
    /// No plugin.
    pub fn new() -> Self {
        Self::default()
    }

    /// NVIDIA, AMD, Intel and the CPU; the files of `system` tell of the two in the middle.
    #[must_use]
    pub fn built_in(system: &SysRoot) -> Self {
        let registry = Self::new().nvidia(None);
        // Only Linux has these files.
        if cfg!(target_os = "linux") { registry.cards(system).cpu() } else { registry.cpu() }
    }

    /// AMD's and Intel's cards.
    #[must_use]
    pub fn cards(self, system: &SysRoot) -> Self {
        let (of_amd, of_intel) = (system.clone(), system.clone());
        self.with(PluginFactory::new(amd::NAME, "amd", move || Box::new(amd::Amd::new(of_amd.clone())))).with(
            PluginFactory::new(intel::NAME, "intel", move || Box::new(intel::Intel::new(of_intel.clone()))),
        )
    }

    /// NVIDIA's cards, through the library at `path` or the system's.
    #[must_use]
    pub fn nvidia(self, path: Option<PathBuf>) -> Self {
        self.with(PluginFactory::new(nvidia::NAME, "nvidia", move || {
            Box::new(nvidia::Nvidia::new(path.clone()))
        }))
    }

    /// The machine's own memory.
    #[must_use]
    pub fn cpu(self) -> Self {
        self.with(PluginFactory::new(cpu::NAME, "cpu", || Box::new(cpu::Cpu::new())))
    }

    /// The user's commands. They run in `base_dir`, with `env` (see `process::helper_env`) in addition.
    #[must_use]
    pub fn commands(mut self, specs: &[DevicePluginSpec], base_dir: &Path, env: &[(String, String)]) -> Self {
        for spec in specs {
            self = self.command(spec, base_dir, env, DEFAULT_TIMEOUT);
        }
        self
    }

    /// One command of the user, which is killed after `timeout`.
    #[must_use]
    pub fn command(
        self,
        spec: &DevicePluginSpec,
        base_dir: &Path,
        env: &[(String, String)],
        timeout: Duration,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (spec, base_dir, env) = (spec.clone(), base_dir.to_owned(), env.to_vec());
        let mut source = PluginFactory::new(spec.name.clone(), "exec", move || {
            let exec = Exec::new(spec.clone(), base_dir.clone(), env.clone(), timeout);
            Box::new(exec.until(stopped.clone()))
        });
        source.stop = Some(stop);
        // It kills its command by itself: only when even that hangs, the plugin does.
        source.patience = timeout + Duration::from_secs(2);
        self.with(source)
    }

    /// Another plugin.
    #[must_use]
    pub fn with(mut self, source: PluginFactory) -> Self {
        self.sources.push(source);
        self
    }
}
