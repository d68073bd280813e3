//! Logs, and traces in builds that have them.

use leasehold_kit::telemetry::{LogFormat, logs};

/// Traces under way, if they are sent anywhere.
pub(super) struct Traces {
    #[cfg(feature = "otlp")]
    sent: Option<leasehold_kit::telemetry::otlp::Traces>,
}

impl Traces {
    /// Sends what is left.
    #[cfg_attr(not(feature = "otlp"), expect(clippy::unused_self, reason = "nothing is sent"))]
    pub(super) fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.sent {
            traces.end();
        }
    }
}

/// Sets up logs, and traces if there is a collector to send them to.
#[cfg(feature = "otlp")]
pub(super) fn begin(
    filter: &str,
    format: LogFormat,
    endpoint: Option<&str>,
) -> anyhow::Result<Traces> {
    use leasehold_kit::telemetry::{logs_and_traces, otlp};
    let Some(endpoint) = endpoint else {
        logs(filter, format)?;
        return Ok(Traces { sent: None });
    };
    let traces = otlp::Traces::to(endpoint, "leasehold-purchase")?;
    logs_and_traces(filter, format, &traces)?;
    Ok(Traces { sent: Some(traces) })
}

/// Sets up logs. Who wants traces should know that this build has none.
#[cfg(not(feature = "otlp"))]
pub(super) fn begin(
    filter: &str,
    format: LogFormat,
    endpoint: Option<&str>,
) -> anyhow::Result<Traces> {
    anyhow::ensure!(
        endpoint.is_none(),
        "LEASEHOLD_OTLP_ENDPOINT is set, but this build sends no traces: build it with the feature otlp"
    );
    logs(filter, format)?;
    Ok(Traces {})
}
