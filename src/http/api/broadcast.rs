//! What `/api/events` sends, written once for all who watch.
//!
//! A task turns changes of models, snapshots of devices and, each second, the throughput into bytes; watchers
//! get the same bytes through a bounded channel. While nobody watches it does nothing. A watcher that falls
//! behind misses events and gets everything afresh.

use super::devices;
use super::server_event::{Rates, ServerEvent, Throughput};
use super::views::ModelView;
use crate::http::api::management::Management;
use crate::http::state::Current;
use bytes::Bytes;
use jiff::Timestamp;
use llm_manager_actors::feeds::Happening;
use llm_manager_actors::model::ModelHandle;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

/// Events that a watcher may be behind.
const LAG: usize = 1024;
const TICK: Duration = Duration::from_secs(1);

/// The channel to the watchers; cheap to clone.
#[derive(Clone)]
pub struct EventBroadcast {
    events: broadcast::Sender<Bytes>,
    wanted: Arc<Notify>,
}

impl Default for EventBroadcast {
    fn default() -> Self {
        Self { events: broadcast::channel(LAG).0, wanted: Arc::default() }
    }
}

/// A model as it was last told.
struct Beat {
    model: Arc<ModelHandle>,
    leases: u32,
    waiting: usize,
    requests: u64,
    input: u64,
    output: u64,
}

impl EventBroadcast {
    /// Begins to watch.
    pub(crate) fn watch(&self) -> broadcast::Receiver<Bytes> {
        let receiver = self.events.subscribe();
        self.wanted.notify_one();
        receiver
    }

    /// Sends events to whoever watches, until the program stops.
    pub(crate) async fn run(self, in_force: Current<Management>) {
        let stopping = in_force.now().stopping.clone();
        let work = async {
            loop {
                if self.events.receiver_count() == 0 {
                    self.wanted.notified().await;
                }
                self.serve(&in_force).await;
            }
        };
        tokio::select! {
            () = work => (),
            () = stopping.cancelled() => (),
        }
    }

    /// As long as somebody watches.
    async fn serve(&self, in_force: &Current<Management>) {
        let shared = in_force.now();
        let mut changes = shared.feed.watch();
        let mut snapshots = shared.devices.subscribe();
        // While somebody watches, devices are looked at once a second.
        let _attention = shared.devices.attend();
        let mut beats = Beat::all(&shared);
        // The first watcher may have seen the state before the one from which changes are told now.
        self.tell(&ServerEvent::snapshot(&shared));
        // Models that leave the configuration end when nobody holds them any more.
        drop(shared);
        let mut last = Instant::now();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while self.events.receiver_count() > 0 {
            tokio::select! {
                change = changes.recv() => match change {
                    Ok(Happening::Configuration) | Err(RecvError::Lagged(_)) => {
                        let shared = in_force.now();
                        beats = Beat::all(&shared);
                        self.tell(&ServerEvent::snapshot(&shared));
                    }
                    Ok(happening) => self.tell_of(happening, &mut beats),
                    Err(RecvError::Closed) => return,
                },
                changed = snapshots.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    snapshots.borrow_and_update();
                    self.tell(&ServerEvent::Devices(devices::device_views(&in_force.now()).await));
                }
                _ = ticks.tick() => {
                    let time = last.elapsed();
                    if time >= TICK / 2 {
                        last = Instant::now();
                        self.beat(&mut beats, time);
                    }
                }
            }
        }
    }

    /// Models that were taken or left since, and the throughput.
    fn beat(&self, beats: &mut [Beat], time: Duration) {
        for beat in beats.iter_mut() {
            if (beat.leases, beat.waiting) != (beat.model.leases(), beat.model.waiting()) {
                beat.note_load();
                self.tell(&ServerEvent::Model(Box::new(ModelView::of(&beat.model))));
            }
        }
        let models = beats.iter_mut().filter_map(|beat| beat.rates(time)).collect();
        self.tell(&ServerEvent::Throughput(Throughput { time: Timestamp::now(), models }));
    }

    fn tell_of(&self, happening: Happening, beats: &mut [Beat]) {
        let name = match happening {
            Happening::Supervision { path, message } => {
                return self.tell(&ServerEvent::Supervision { path, message });
            }
            Happening::Model(name) => name,
            Happening::Configuration => return,
        };
        if let Some(beat) = beats.iter_mut().find(|beat| *beat.model.spec.name == *name) {
            beat.note_load();
            self.tell(&ServerEvent::Model(Box::new(ModelView::of(&beat.model))));
        }
    }

    fn tell(&self, told: &ServerEvent) {
        // The last watcher may just have gone: that is not an error.
        let _ = self.events.send(told.event());
    }
}

impl Beat {
    fn all(shared: &Management) -> Vec<Self> {
        shared.directory.models().iter().map(Self::of).collect()
    }

    fn of(model: &Arc<ModelHandle>) -> Self {
        let model = Arc::clone(model);
        let mut beat = Self { model, leases: 0, waiting: 0, requests: 0, input: 0, output: 0 };
        beat.note_load();
        beat.rates(TICK);
        beat
    }

    fn note_load(&mut self) {
        (self.leases, self.waiting) = (self.model.leases(), self.model.waiting());
    }

    /// What came since the last time; `None`: nothing.
    fn rates(&mut self, time: Duration) -> Option<Rates> {
        let (requests, input, output) = self.model.traffic.live();
        let came = [requests - self.requests, input - self.input, output - self.output];
        (self.requests, self.input, self.output) = (requests, input, output);
        if came == [0; 3] {
            return None;
        }
        let [requests_per_second, input_tokens_per_second, output_tokens_per_second] =
            came.map(|count| (count as f64 / time.as_secs_f64() * 10.0).round() / 10.0);
        Some(Rates {
            model: self.model.spec.name.clone(),
            mode: self.model.spec.mode.name.clone(),
            requests_per_second,
            input_tokens_per_second,
            output_tokens_per_second,
        })
    }
}
