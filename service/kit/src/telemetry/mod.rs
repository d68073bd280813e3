//! Logs to stderr, metrics in Prometheus' text format, traces to a collector.

#[cfg(feature = "otlp")]
pub mod otlp;

use std::{io::IsTerminal as _, str::FromStr, time::Duration};

/// What renders the metrics.
pub use metrics_exporter_prometheus::PrometheusHandle;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    filter::{FilterExt as _, dynamic_filter_fn},
    layer::{Filter, SubscriberExt as _},
    util::SubscriberInitExt as _,
};

/// How often histograms are brought up to date, whether or not somebody reads them.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Something that is told of every span and event.
type BoxedLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text an event, for people.
    #[default]
    Text,
    /// One JSON object an event, for programs.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("a log format is text or json, not {other:?}")),
        }
    }
}

/// Why logs or metrics cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("log filter {filter:?} cannot be read: {reason}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else in the process set up logs already.
    #[error("logs are set up already")]
    Twice,
    /// The metrics cannot be set up.
    #[error("metrics cannot be set up: {0}")]
    Metrics(#[from] BuildError),
}

/// Sends logs to stderr from now on; `filter` as in `info,leasehold=debug`.
///
/// # Errors
///
/// When the filter cannot be read, or logs are set up already.
pub fn logs(filter: &str, format: LogFormat) -> Result<(), TelemetryError> {
    set_up(vec![lines(filter, format)?])
}

/// As [`logs`], and sends traces to a collector from now on. The filter is for logs alone. Feature
/// `otlp`.
///
/// # Errors
///
/// When the filter cannot be read, or logs are set up already.
#[cfg(feature = "otlp")]
pub fn logs_and_traces(
    filter: &str,
    format: LogFormat,
    traces: &otlp::Traces,
) -> Result<(), TelemetryError> {
    set_up(vec![lines(filter, format)?, traces.layer()])
}

fn lines(filter: &str, format: LogFormat) -> Result<BoxedLayer, TelemetryError> {
    let parsed = EnvFilter::try_new(filter).map_err(|error| TelemetryError::Filter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })?;
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    Ok(match format {
        LogFormat::Text => lines.with_filter(asked_each_time(parsed)).boxed(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_filter(asked_each_time(parsed)).boxed()
        }
    })
}

/// The same filter, whose answers nobody keeps. A layer's filter leaves its last answer for the event
/// that comes next. With a filter as "info,leasehold=debug", sqlx asks with every statement whether a
/// line about it is wanted; "no" was then the answer for an error, which is not asked about when
/// it is known that the filter always wants it, and the error was not logged.
///
/// Source: <https://github.com/tokio-rs/tracing/issues/2519>
fn asked_each_time<S: Subscriber>(filter: impl Filter<S>) -> impl Filter<S> {
    // The hint keeps what is below the filter's level as cheap as it was.
    filter.and(dynamic_filter_fn(|_, _| true).with_max_level_hint(LevelFilter::TRACE))
}

fn set_up(layers: Vec<BoxedLayer>) -> Result<(), TelemetryError> {
    tracing_subscriber::registry().with(layers).try_init().map_err(|_| TelemetryError::Twice)
}

/// Collects metrics from now on. Names that end in `_seconds` or `_size` are histograms with
/// buckets, so that replicas can be added up.
///
/// # Errors
///
/// When a collector is installed already.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn metrics() -> Result<PrometheusHandle, TelemetryError> {
    const SECONDS: &[f64] =
        &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
    const SIZES: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0];
    let collector = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), SIZES)?
        .install_recorder()?;
    let kept = collector.clone();
    // Each value is kept until it is counted. Where nobody reads metrics, memory would grow for ever.
    drop(tokio::spawn(async move {
        loop {
            tokio::time::sleep(UPKEEP_EVERY).await;
            kept.run_upkeep();
        }
    }));
    Ok(collector)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use tracing::Event;
    use tracing_subscriber::layer::Context;

    use super::*;

    struct Count(Arc<AtomicUsize>);

    impl Layer<Registry> for Count {
        fn on_event(&self, _event: &Event<'_>, _context: Context<'_, Registry>) {
            let _before = self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn an_event_is_not_lost_when_another_one_was_asked_about() {
        let seen = Arc::new(AtomicUsize::new(0));
        let filter = asked_each_time(EnvFilter::new("info,here=debug"));
        let layer = Count(Arc::clone(&seen)).with_filter(filter);
        let _default = tracing_subscriber::registry().with(layer).set_default();
        for expected in 1..=3 {
            let _asked = log::log_enabled!(target: "sqlx::query", log::Level::Debug);
            tracing::error!("told");
            tracing::debug!("not wanted");
            assert_eq!(seen.load(Relaxed), expected);
        }
    }
}
