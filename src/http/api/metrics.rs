//! `/metrics`: the same numbers as the API's, in the OpenMetrics text format that Prometheus reads.
//!
//! Everything is read when it is asked for: models from their handles, devices and actors from those who own
//! them, money from the ledger. Names follow Prometheus's conventions: base units, `_total` for counters.

pub(crate) mod backends;
mod families;
mod family;
mod keys;

use super::config::ConfigFile;
use super::devices;
#[cfg(test)]
use super::openapi::operation::{Operation, get};
use super::query::from_store;
use crate::http::access::AccessArea;
use crate::http::api::management::{Management, ManagementState};
use crate::http::error::{ApiError, ApiErrorKind};
use crate::http::route::{at, read};
use actix_web::web::ServiceConfig;
use actix_web::{HttpRequest, HttpResponse, web};
use family::{Family, MetricLabels, Samples, counter, gauge};
use llm_manager_actors::model::traffic::{BOUNDS_US, OUTCOMES};
use llm_manager_actors::model::{ModelHandle, ModelStatus};
use llm_manager_actors::supervisor::{GetTree, SupervisionNode, ask};
use llm_manager_ledger::{Dimension, Filter, Summary, now_us};
use llm_manager_policy::model_state::ModelState;
use llm_manager_policy::spec::Class;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;
use std::time::Duration;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};
use tokio::time::timeout;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .service(at("/metrics", read().to(metrics)))
        .service(at("/metrics/backends", read().to(backends::backends)));
}

#[cfg(test)]
pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/metrics", "Numbers for Prometheus (OpenMetrics)", serde_json::json!({"type": "string"}))
            .content("application/openmetrics-text")
            .words(
                "metrics for Prometheus, as OpenMetrics text: models, requests, tokens, cost, times, \
                 devices, ledger, restarts",
            ),
        get(
            "/metrics/backends",
            "What ready backends say of themselves (Prometheus)",
            serde_json::json!({"type": "string"}),
        )
        .content("text/plain")
        .words(
            "what ready backends say of themselves, for Prometheus, with the label `model`: see \
                 [Metrics](metrics.md#the-backends-own-metrics)",
        ),
    ]
}

const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long one part may take: a scrape is answered within two seconds.
const PATIENCE: Duration = Duration::from_millis(1800);

const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

/// `GET /metrics`
async fn metrics(
    shared: ManagementState,
    config: web::Data<ConfigFile>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    shared.access.enter(request.headers(), AccessArea::Metrics)?;
    let mut families = models(&shared);
    let (applied, refused) = config.reloads.counts();
    families.push(counter(
        &families::RELOADS,
        vec![
            (vec![("result", "applied".to_owned())], applied as f64),
            (vec![("result", "refused".to_owned())], refused as f64),
        ],
    ));
    // Each part for itself: what is missing must not hide the alarms of the others.
    let (keys, costs, devices, actors, process) = futures_util::join!(
        timeout(PATIENCE, keys::keys(&shared)),
        timeout(PATIENCE, costs(&shared)),
        timeout(PATIENCE, devices(&shared)),
        timeout(PATIENCE, actors(&shared)),
        timeout(PATIENCE, process(&shared)),
    );
    let costs = costs
        .map_err(|_| "no answer".to_owned())
        .and_then(|costs| costs.map_err(|error| error.message.to_string()));
    if let Err(error) = &costs {
        log::debug!("/metrics has no costs: {error}");
    }
    families.extend(ledger(&shared, costs.is_ok()));
    families.extend(captures(&shared));
    families.extend(costs.unwrap_or_default());
    families.extend(keys.unwrap_or_default());
    families.extend(devices.unwrap_or_default());
    families.extend(actors.unwrap_or_default());
    families.extend(process.unwrap_or_default());
    let mut registry = Registry::default();
    families.into_iter().for_each(|family| registry.register_collector(Box::new(family)));
    let mut text = String::new();
    text::encode(&mut text, &registry)
        .map_err(|error| ApiError::new(ApiErrorKind::Internal, format!("the metrics: {error}")))?;
    Ok(HttpResponse::Ok().content_type(FORMAT).body(text))
}

/// Over all replicas of a model.
fn sum(model: &ModelHandle, of: impl Fn(&ModelStatus) -> f64) -> f64 {
    let crew: f64 = model.crew().iter().map(|replica| of(&replica.status())).sum();
    of(&model.own_status()) + crew
}

fn models(shared: &Management) -> Vec<Family> {
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
    let queue = models.iter().flat_map(|model| {
        let of_class = |(class, count): (Class, usize)| {
            (vec![label(model), ("class", class.text().to_owned())], count as f64)
        };
        model.waiting_by_class().map(of_class).collect::<Vec<_>>()
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
    let asleep: Vec<_> = models.iter().filter_map(|model| Some((model, model.asleep()?))).collect();
    let wakes = asleep.iter().map(|(model, asleep)| {
        (vec![label(model), ("measured", asleep.measured.to_string())], asleep.wake.as_secs_f64())
    });
    let parked = asleep.iter().filter(|(model, _)| model.status().state == ModelState::Parked);
    let held = parked.flat_map(|(model, asleep)| {
        asleep.holds.iter().map(|(device, mib)| {
            (vec![label(model), ("device", device.clone())], *mib as f64 * BYTES_PER_MIB)
        })
    });
    vec![
        gauge(&families::MODEL_STATE, states.collect()),
        gauge(&families::MODEL_LEASES, each(&|model| f64::from(model.leases()))),
        gauge(&families::MODEL_WAITING, each(&|model| model.waiting() as f64)),
        gauge(&families::QUEUE, queue.collect()),
        gauge(&families::MODEL_FAILURES, each(&|model| sum(model, |status| f64::from(status.failures)))),
        counter(&families::MODEL_RUNS, each(&|model| sum(model, |status| status.epoch as f64))),
        gauge(&families::MODEL_WAKE, wakes.collect()),
        gauge(&families::MODEL_PARKED_MEMORY, held.collect()),
        counter(&families::REQUESTS, requests.collect()),
        counter(&families::TOKENS, tokens.collect()),
        Family { about: &families::REQUEST_DURATION, samples: Samples::Histograms(durations.collect()) },
        Family { about: &families::FIRST_BYTE, samples: Samples::Histograms(first_bytes.collect()) },
    ]
}

/// Of this run of the manager, as the ledger has it: a tenth of a second behind.
async fn costs(shared: &Management) -> Result<Vec<Family>, ApiError> {
    let from = shared.ledger.session_start();
    let reader = shared.ledger.reader();
    let to = now_us().max(from + 1);
    let sums =
        reader.summary(Filter::default(), from, to, vec![Dimension::Model]).await.map_err(from_store)?;
    let energy = sums.groups.iter().filter(|group| group.totals.energy_mj > 0).filter_map(|group| {
        Some((vec![("model", group.key.first()?.clone())], group.totals.energy_mj as f64 / 1000.0))
    });
    Ok(vec![counter(&families::COST, cost_samples(&sums)), counter(&families::ENERGY, energy.collect())])
}

fn cost_samples(sums: &Summary) -> Vec<(MetricLabels, f64)> {
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

async fn devices(shared: &Management) -> Vec<Family> {
    let devices = devices::device_views(shared).await;
    let each = |value: &dyn Fn(&devices::DeviceView) -> Option<f64>| {
        let samples = devices.iter().filter_map(|device| {
            let labels = vec![("device", device.name.clone()), ("id", device.id.clone())];
            Some((labels, value(device)?))
        });
        samples.collect::<Vec<_>>()
    };
    let bytes = |mib: Option<u64>| mib.map(|mib| mib as f64 * BYTES_PER_MIB);
    vec![
        gauge(&families::DEVICE_ONLINE, each(&|device| Some(f64::from(u8::from(device.online))))),
        gauge(&families::DEVICE_MEMORY_TOTAL, each(&|device| bytes(device.memory_total_mb))),
        gauge(&families::DEVICE_MEMORY_USED, each(&|device| bytes(device.memory_used_mb))),
        gauge(&families::DEVICE_MEMORY_RESERVED, each(&|device| bytes(Some(device.memory_reserved_mb)))),
        gauge(
            &families::DEVICE_UTILIZATION,
            each(&|device| device.utilization.map(|percent| f64::from(percent) / 100.0)),
        ),
        gauge(&families::DEVICE_TEMPERATURE, each(&|device| device.temperature_c.map(f64::from))),
        gauge(&families::DEVICE_POWER, each(&|device| device.power_w.map(f64::from))),
    ]
}

fn captures(shared: &Management) -> Vec<Family> {
    let status = shared.captures.status();
    let one = |value: u64| vec![(MetricLabels::new(), value as f64)];
    vec![
        gauge(&families::CAPTURES, one(status.files as u64)),
        gauge(&families::CAPTURES_BYTES, one(status.bytes)),
        counter(&families::CAPTURES_MISSED, one(status.missed)),
    ]
}

fn ledger(shared: &Management, readable: bool) -> Vec<Family> {
    let status = shared.ledger.status();
    let flag = |yes: bool| vec![(MetricLabels::new(), f64::from(u8::from(yes)))];
    let one = |value: u64| vec![(MetricLabels::new(), value as f64)];
    vec![
        gauge(&families::LEDGER_READABLE, flag(readable)),
        gauge(&families::LEDGER_WRITABLE, flag(status.last_error.is_none())),
        gauge(&families::LEDGER_QUEUE, vec![(MetricLabels::new(), status.queued as f64)]),
        counter(&families::LEDGER_WRITTEN, one(status.written)),
        counter(&families::LEDGER_SPILLED, one(status.spilled)),
        counter(&families::LEDGER_LOST, one(status.lost)),
        counter(&families::LEDGER_LOST_ENTRIES, one(status.lost_entries)),
        counter(&families::LEDGER_REJECTED, one(status.rejected)),
        counter(&families::LEDGER_FAILURES, one(status.failures)),
        counter(&families::USAGE_UNRECORDED, one(status.usage_unrecorded)),
    ]
}

async fn actors(shared: &Management) -> Vec<Family> {
    let tree = match shared.supervisor.addr() {
        Some(addr) => ask(&addr, GetTree).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let mut restarts = Vec::new();
    let mut open: Vec<&SupervisionNode> = tree.iter().collect();
    while let Some(node) = open.pop() {
        restarts.push((vec![("actor", node.path.clone())], node.restarts as f64));
        open.extend(&node.children);
    }
    vec![counter(&families::ACTOR_RESTARTS, restarts)]
}

/// The manager itself, under the names that Prometheus's own clients use.
async fn process(shared: &Management) -> Vec<Family> {
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
    let one = |value: f64| vec![(MetricLabels::new(), value)];
    let (memory, cpu) = usage.map_or((Vec::new(), Vec::new()), |(memory, cpu)| (one(memory), one(cpu)));
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    vec![
        gauge(&families::BUILD_INFO, vec![(version, 1.0)]),
        gauge(&families::PROCESS_START_TIME, one(shared.started_at.as_millisecond() as f64 / 1e3)),
        gauge(&families::PROCESS_RESIDENT_MEMORY, memory),
        counter(&families::PROCESS_CPU, cpu),
    ]
}

/// Encodes one sample; one without labels has no braces.
fn labelled(
    metric: &mut MetricEncoder<'_>,
    labels: &MetricLabels,
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
        let families::About { name, help, .. } = *self.about;
        let unit = self.about.unit();
        let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
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
