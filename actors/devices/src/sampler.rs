//! One thread per plugin. Threads outlive a crash of the monitor, so that a plugin which hangs never costs
//! more than the one thread it hangs on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::{DevicePlugin, PluginFactory, Sample};
use llm_manager_policy::panic_message::words_of;

/// Hears one sample.
pub type SampleCallback = Box<dyn FnOnce(Result<Vec<Sample>, String>) + Send>;

/// The handle of a plugin's thread. Dropping it ends the thread after the sample that it is taking.
pub struct Sampler {
    /// Tells it from every other that this program has had.
    pub number: usize,
    pub name: String,
    pub plugin: &'static str,
    pub patience: Duration,
    stop: Option<watch::Sender<bool>>,
    orders: Result<SyncSender<SampleCallback>, String>,
}

/// Why an order was not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is at work, and one more order waits: those of a former monitor.
    Busy,
    /// It has no thread.
    Dead(String),
}

impl Sampler {
    /// Starts the thread; the plugin is made there with the first sample.
    pub fn start(source: PluginFactory) -> Self {
        let PluginFactory { name, plugin, patience, stop, make } = source;
        let (sender, receiver) = sync_channel(1);
        let thread = std::thread::Builder::new().name(format!("dev {name}"));
        let orders = match thread.spawn(move || serve(&*make, &receiver)) {
            Ok(_) => Ok(sender),
            Err(error) => Err(format!("its thread can't be started: {error}")),
        };
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self { number: NEXT.fetch_add(1, Ordering::Relaxed), name, plugin, patience, stop, orders }
    }

    /// Has the plugin end what it started; resolves when it has.
    pub async fn stop(&self) {
        let Some(stop) = &self.stop else { return };
        stop.send_replace(true);
        let (reply, answered) = oneshot::channel();
        // Whatever it was at is over when it answers the next order.
        let ordered = self.order(Box::new(move |_| {
            // Whoever stops may have given up.
            let _ = reply.send(());
        }));
        if ordered.is_ok() {
            // An error: its thread has ended.
            let _ = answered.await;
        }
    }

    /// Asks for a sample; never blocks.
    pub fn order(&self, reply: SampleCallback) -> Result<(), NotTaken> {
        let orders = self.orders.as_ref().map_err(|why| NotTaken::Dead(why.clone()))?;
        orders.try_send(reply).map_err(|error| match error {
            TrySendError::Full(_) => NotTaken::Busy,
            TrySendError::Disconnected(_) => NotTaken::Dead("its thread has ended".to_owned()),
        })
    }
}

/// Notes what the processes on a device are called.
fn name_programs(sample: &mut Sample) {
    // Only Linux has this file. In a container the driver's process ids may be the host's, which are not there.
    let name = |pid: u32| Some((pid, std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?));
    let named = sample.processes.iter().filter_map(|process| name(process.pid));
    sample.programs = named.map(|(pid, name)| (pid, name.trim().to_owned())).collect();
}

fn serve(make: &dyn Fn() -> Box<dyn DevicePlugin>, orders: &Receiver<SampleCallback>) {
    let mut plugin: Option<Box<dyn DevicePlugin>> = None;
    for reply in orders {
        let sampled = catch_unwind(AssertUnwindSafe(|| {
            let mut samples = plugin.get_or_insert_with(make).sample()?;
            samples.iter_mut().for_each(name_programs);
            Ok(samples)
        }));
        let answer = sampled.unwrap_or_else(|panic| {
            let why = words_of(&*panic).to_owned();
            // Its state may be anything: the next sample is taken by a new one.
            let broken = plugin.take();
            if catch_unwind(AssertUnwindSafe(|| drop(broken))).is_err() {
                log::debug!("devices: a plugin that had crashed crashed again when it was dropped");
            }
            Err(format!("it crashed: {why}"))
        });
        reply(answer);
    }
}
