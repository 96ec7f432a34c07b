//! Family: the samples of one metric.

use super::families::About;
use llm_manager_actors::model::traffic::CountedTimes;

pub(super) type MetricLabels = Vec<(&'static str, String)>;

/// Samples of one metric.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) about: &'static About,
    pub(super) samples: Samples,
}

#[derive(Debug)]
pub(super) enum Samples {
    Gauges(Vec<(MetricLabels, f64)>),
    Counters(Vec<(MetricLabels, f64)>),
    Histograms(Vec<(MetricLabels, CountedTimes)>),
}

impl Samples {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Gauges(samples) | Self::Counters(samples) => samples.is_empty(),
            Self::Histograms(samples) => samples.is_empty(),
        }
    }
}

pub(super) fn gauge(about: &'static About, samples: Vec<(MetricLabels, f64)>) -> Family {
    Family { about, samples: Samples::Gauges(samples) }
}

pub(super) fn counter(about: &'static About, samples: Vec<(MetricLabels, f64)>) -> Family {
    Family { about, samples: Samples::Counters(samples) }
}
