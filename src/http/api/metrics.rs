//! `/metrics`: the same numbers as the API's, in the OpenMetrics text format that Prometheus reads.
//!
//! Everything is read when it is asked for: models from their handles, devices and actors from those who own
//! them, money from the ledger. Names follow Prometheus's conventions: base units, `_total` for counters.

use super::config::ConfigFile;
use super::devices;
use super::query::from_store;
use crate::http::access::Door;
use crate::http::error::{ApiError, Kind};
use crate::http::state::{Now, Shared};
use actix_web::{HttpRequest, HttpResponse, web};
use llm_manager_actors::model::ModelHandle;
use llm_manager_actors::model::traffic::{BOUNDS_US, CountedTimes, OUTCOMES};
use llm_manager_actors::supervisor::{Node, Tree, ask};
use llm_manager_ledger::{Dimension, Filter, Summary, now_us};
use llm_manager_policy::model_state::ModelState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::time::Duration;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::timeout;

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long one part may take: a scrape is answered within two seconds.
const PATIENCE: Duration = Duration::from_millis(1800);

type Labels = Vec<(&'static str, String)>;

/// Metrics of one name.
#[derive(Debug)]
struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    samples: Samples,
}

#[derive(Debug)]
enum Samples {
    Gauges(Vec<(Labels, f64)>),
    Counters(Vec<(Labels, f64)>),
    Histograms(Vec<(Labels, CountedTimes)>),
}

impl Samples {
    fn is_empty(&self) -> bool {
        match self {
            Self::Gauges(samples) | Self::Counters(samples) => samples.is_empty(),
            Self::Histograms(samples) => samples.is_empty(),
        }
    }
}

/// `GET /metrics`
pub(crate) async fn metrics(
    shared: Now,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    shared.access.enter(request.headers(), Door::Metrics)?;
    let mut families = models(&shared);
    let (applied, refused) = config.reloads.counts();
    families.push(counter(
        "llm_manager_reloads",
        "Times that the configuration was read again: applied, or refused for its errors",
        None,
        vec![
            (vec![("result", "applied".to_owned())], applied as f64),
            (vec![("result", "refused".to_owned())], refused as f64),
        ],
    ));
    // Each part for itself: what is missing must not hide the alarms of the others.
    let (costs, devices, actors, process) = futures_util::join!(
        timeout(PATIENCE, costs(&shared)),
        timeout(PATIENCE, devices(&shared)),
        timeout(PATIENCE, actors(&shared)),
        timeout(PATIENCE, process(&shared)),
    );
    let costs = costs
        .map_err(|_| "no answer".to_owned())
        .and_then(|costs| costs.map_err(|error| error.message.to_string()));
    if let Err(error) = &costs {
        log::debug!("/metrics goes without costs: {error}");
    }
    families.extend(ledger(&shared, costs.is_ok()));
    families.extend(costs.unwrap_or_default());
    families.extend(devices.unwrap_or_default());
    families.extend(actors.unwrap_or_default());
    families.extend(process.unwrap_or_default());
    let mut registry = Registry::default();
    families.into_iter().for_each(|family| registry.register_collector(Box::new(family)));
    let mut text = String::new();
    text::encode(&mut text, &registry)
        .map_err(|error| ApiError::new(Kind::Internal, format!("the metrics: {error}")))?;
    Ok(HttpResponse::Ok().content_type(FORMAT).body(text))
}

fn gauge(name: &'static str, help: &'static str, unit: Option<Unit>, samples: Vec<(Labels, f64)>) -> Family {
    Family { name, help, unit, samples: Samples::Gauges(samples) }
}

fn counter(
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    samples: Vec<(Labels, f64)>,
) -> Family {
    Family { name, help, unit, samples: Samples::Counters(samples) }
}

fn models(shared: &Shared) -> Vec<Family> {
    let models = shared.directory.models();
    let label = |model: &ModelHandle| ("model", model.spec.name.clone());
    let each = |value: &dyn Fn(&ModelHandle) -> f64| {
        models.iter().map(|model| (vec![label(model)], value(model))).collect::<Vec<_>>()
    };
    let states = models.iter().flat_map(|model| {
        let now = model.status().state;
        ModelState::ALL.map(|state| {
            (vec![label(model), ("state", state.to_string())], f64::from(u8::from(state == now)))
        })
    });
    let counted: Vec<_> = models.iter().map(|model| (label(model), model.traffic.look())).collect();
    let requests = counted.iter().flat_map(|(model, counted)| {
        let by_outcome = OUTCOMES.iter().zip(counted.requests);
        by_outcome
            .map(|(outcome, count)| (vec![model.clone(), ("outcome", (*outcome).to_owned())], count as f64))
    });
    let tokens = counted.iter().flat_map(|(model, counted)| {
        let kinds = [("input", counted.input), ("cached", counted.cached), ("output", counted.output)];
        kinds.map(|(kind, count)| (vec![model.clone(), ("kind", kind.to_owned())], count as f64))
    });
    let durations = counted.iter().map(|(model, counted)| (vec![model.clone()], counted.duration.clone()));
    let first_bytes =
        counted.iter().map(|(model, counted)| (vec![model.clone()], counted.first_byte.clone()));
    vec![
        gauge("llm_manager_model_state", "1 for the state that the model is in", None, states.collect()),
        gauge(
            "llm_manager_model_leases",
            "Requests that its backend works on",
            None,
            each(&|model| f64::from(model.leases())),
        ),
        gauge(
            "llm_manager_model_waiting",
            "Requests that wait for its backend",
            None,
            each(&|model| model.waiting() as f64),
        ),
        gauge(
            "llm_manager_model_failures",
            "Failures since its last stable run",
            None,
            each(&|model| f64::from(model.status().failures)),
        ),
        counter(
            "llm_manager_model_runs",
            "Times that its backend was launched",
            None,
            each(&|model| model.status().epoch as f64),
        ),
        counter("llm_manager_requests", "Requests that have ended", None, requests.collect()),
        counter(
            "llm_manager_tokens",
            "Tokens of requests that have ended; input includes cached",
            None,
            tokens.collect(),
        ),
        Family {
            name: "llm_manager_request_duration",
            help: "From a request's arrival to its end",
            unit: Some(Unit::Seconds),
            samples: Samples::Histograms(durations.collect()),
        },
        Family {
            name: "llm_manager_first_byte",
            help: "From a request's arrival to the first byte of its answer",
            unit: Some(Unit::Seconds),
            samples: Samples::Histograms(first_bytes.collect()),
        },
    ]
}

/// Of this run of the manager, as the ledger has it: a tenth of a second behind.
async fn costs(shared: &Shared) -> Result<Vec<Family>, ApiError> {
    let from = shared.ledger.session_start();
    let reader = shared.ledger.reader();
    let to = now_us().max(from + 1);
    let sums =
        reader.summary(Filter::default(), from, to, vec![Dimension::Model]).await.map_err(from_store)?;
    let energy = sums.groups.iter().filter(|group| group.totals.energy_mj > 0).filter_map(|group| {
        Some((vec![("model", group.key.first()?.clone())], group.totals.energy_mj as f64 / 1000.0))
    });
    Ok(vec![
        counter(
            "llm_manager_cost",
            "Price of requests (kind request), of ready time by the hour (run) and of electricity (energy), in the currency's unit",
            None,
            cost_samples(&sums),
        ),
        counter(
            "llm_manager_energy",
            "What the runs of a model drew, by the measured power of its devices",
            Some(Unit::Joules),
            energy.collect(),
        ),
    ])
}

fn cost_samples(sums: &Summary) -> Vec<(Labels, f64)> {
    let groups = sums.groups.iter().filter_map(|group| Some((group.key.first()?, &group.totals)));
    groups
        .flat_map(|(model, totals)| {
            [("request", &totals.cost), ("run", &totals.run_cost), ("energy", &totals.energy_cost)]
                .map(|kind| (model, kind))
        })
        .flat_map(|(model, (kind, sums))| {
            sums.iter().map(move |(currency, sum)| {
                let labels =
                    vec![("model", model.clone()), ("kind", kind.to_owned()), ("currency", currency.clone())];
                // A metric is a float anyway; the exact amount is in the reports.
                (labels, sum.to_string().parse().unwrap_or(f64::NAN))
            })
        })
        .collect()
}

async fn devices(shared: &Shared) -> Vec<Family> {
    const MIB: f64 = 1024.0 * 1024.0;
    let devices = devices::device_views(shared).await;
    let each = |value: &dyn Fn(&devices::DeviceView) -> Option<f64>| {
        let samples = devices.iter().filter_map(|device| {
            let labels = vec![("device", device.name.clone()), ("id", device.id.clone())];
            Some((labels, value(device)?))
        });
        samples.collect::<Vec<_>>()
    };
    let bytes = |mib: Option<u64>| mib.map(|mib| mib as f64 * MIB);
    vec![
        gauge(
            "llm_manager_device_online",
            "1 while the device answers",
            None,
            each(&|device| Some(f64::from(u8::from(device.online)))),
        ),
        gauge(
            "llm_manager_device_memory_total",
            "Memory of the device",
            Some(Unit::Bytes),
            each(&|device| bytes(device.memory_total_mb)),
        ),
        gauge(
            "llm_manager_device_memory_used",
            "Memory in use, by anybody",
            Some(Unit::Bytes),
            each(&|device| bytes(device.memory_used_mb)),
        ),
        gauge(
            "llm_manager_device_memory_reserved",
            "Memory promised to models",
            Some(Unit::Bytes),
            each(&|device| bytes(Some(device.memory_reserved_mb))),
        ),
        gauge(
            "llm_manager_device_utilization",
            "Share of time in use, from 0 to 1",
            Some(Unit::Other("ratio".to_owned())),
            each(&|device| device.utilization.map(|percent| f64::from(percent) / 100.0)),
        ),
        gauge(
            "llm_manager_device_temperature",
            "Temperature of the device",
            Some(Unit::Celsius),
            each(&|device| device.temperature_c.map(f64::from)),
        ),
        gauge(
            "llm_manager_device_power",
            "Power that the device draws",
            Some(Unit::Other("watts".to_owned())),
            each(&|device| device.power_w.map(f64::from)),
        ),
    ]
}

fn ledger(shared: &Shared, readable: bool) -> Vec<Family> {
    let status = shared.ledger.status();
    let flag = |yes: bool| vec![(Labels::new(), f64::from(u8::from(yes)))];
    let one = |value: u64| vec![(Labels::new(), value as f64)];
    vec![
        gauge(
            "llm_manager_ledger_readable",
            "1 while reports can be read from the ledger",
            None,
            flag(readable),
        ),
        gauge(
            "llm_manager_ledger_writable",
            "0 while rows go into the overflow file because the ledger can't be written",
            None,
            flag(status.last_error.is_none()),
        ),
        gauge(
            "llm_manager_ledger_queue",
            "Rows that wait to be written",
            None,
            vec![(Labels::new(), status.queued as f64)],
        ),
        counter("llm_manager_ledger_written", "Requests that were written", None, one(status.written)),
        counter(
            "llm_manager_ledger_spilled",
            "Rows that went into the overflow file",
            None,
            one(status.spilled),
        ),
        counter("llm_manager_ledger_lost", "Requests that could be kept nowhere", None, one(status.lost)),
        counter(
            "llm_manager_ledger_lost_entries",
            "Entries of runs and of the audit that could be kept nowhere",
            None,
            one(status.lost_entries),
        ),
        counter(
            "llm_manager_ledger_rejected",
            "Rows that the database did not take",
            None,
            one(status.rejected),
        ),
        counter(
            "llm_manager_ledger_failures",
            "Batches that could not be written at once",
            None,
            one(status.failures),
        ),
        counter(
            "llm_manager_usage_unrecorded",
            "Requests that a backend answered without telling its tokens",
            None,
            one(status.usage_unrecorded),
        ),
    ]
}

async fn actors(shared: &Shared) -> Vec<Family> {
    let tree = match shared.supervisor.addr() {
        Some(addr) => ask(&addr, Tree).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut restarts = Vec::new();
    let mut open: Vec<&Node> = tree.iter().collect();
    while let Some(node) = open.pop() {
        restarts.push((vec![("actor", node.path.clone())], node.restarts as f64));
        open.extend(&node.children);
    }
    vec![counter("llm_manager_actor_restarts", "Times that the actor was restarted", None, restarts)]
}

/// The manager itself, under the names that Prometheus's own clients use.
async fn process(shared: &Shared) -> Vec<Family> {
    let usage = web::block(|| {
        let pid = Pid::from_u32(std::process::id());
        let mut system = System::new();
        let what = ProcessRefreshKind::nothing().with_memory().with_cpu();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, what);
        system.process(pid).map(|own| (own.memory() as f64, own.accumulated_cpu_time() as f64 / 1e3))
    })
    .await
    .ok()
    .flatten();
    let one = |value: f64| vec![(Labels::new(), value)];
    let (memory, cpu) = usage.map_or((Vec::new(), Vec::new()), |(memory, cpu)| (one(memory), one(cpu)));
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![
        gauge("llm_manager_build_info", "The manager's version", None, vec![(version, 1.0)]),
        gauge(
            "process_start_time",
            "When the manager was started, since 1970",
            Some(Unit::Seconds),
            one(shared.started_at.as_millisecond() as f64 / 1e3),
        ),
        gauge("process_resident_memory", "Memory of the manager", Some(Unit::Bytes), memory),
        counter("process_cpu", "Time of processors that the manager has used", Some(Unit::Seconds), cpu),
    ]
}

/// Encodes one sample; one without labels has no braces.
fn labelled(
    metric: &mut MetricEncoder<'_>,
    labels: &Labels,
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if labels.is_empty() { encode(metric) } else { encode(&mut metric.encode_family(labels)?) }
}

impl Collector for Family {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let kind = match self.samples {
            Samples::Gauges(_) => MetricType::Gauge,
            Samples::Counters(_) => MetricType::Counter,
            Samples::Histograms(_) => MetricType::Histogram,
        };
        if self.samples.is_empty() {
            return Ok(());
        }
        let mut metric = encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), kind)?;
        match &self.samples {
            Samples::Gauges(samples) => samples
                .iter()
                .try_for_each(|(labels, value)| labelled(&mut metric, labels, |one| one.encode_gauge(value))),
            Samples::Counters(samples) => samples.iter().try_for_each(|(labels, value)| {
                labelled(&mut metric, labels, |one| one.encode_counter::<NoLabelSet, _, f64>(value, None))
            }),
            Samples::Histograms(samples) => samples.iter().try_for_each(|(labels, times)| {
                let bounds = BOUNDS_US.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
                let bins: Vec<(f64, u64)> = bounds.zip(times.bins).collect();
                let (sum, count) = (times.sum_us as f64 / 1e6, times.bins.iter().sum());
                labelled(&mut metric, labels, |one| {
                    one.encode_histogram::<NoLabelSet>(sum, count, &bins, None)
                })
            }),
        }
    }
}
