//! Logs, and traces in builds that have them.

use clap::Args;

use crate::telemetry::{LogFormat, logs};

/// What is told of what goes on, and to whom.
#[derive(Args, Debug)]
pub struct LogArgs {
    /// Which events are logged, as in "info,leasehold=debug"
    #[arg(long, env = "LEASEHOLD_LOG", default_value = "info", global = true)]
    log: String,

    /// How log lines look: text or json
    #[arg(long, env = "LEASEHOLD_LOG_FORMAT", default_value = "text", global = true)]
    log_format: LogFormat,

    /// Address of the collector that traces are sent to, with its scheme and port (OTLP over HTTP);
    /// only in a build with the feature otlp
    #[arg(long, env = "LEASEHOLD_OTLP_ENDPOINT", global = true)]
    otlp_endpoint: Option<String>,
}

/// Traces under way, if they are sent anywhere.
#[derive(Debug)]
#[must_use = "what is left of the traces is sent at the end"]
pub struct Traces {
    #[cfg(feature = "otlp")]
    sent: Option<crate::telemetry::otlp::Traces>,
}

impl Traces {
    /// Sends what is left.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.sent {
            traces.end();
        }
    }
}

impl LogArgs {
    /// Sets up logs, and traces if there is a collector to send them to; `service` is what they are sent as.
    /// Inside of the runtime.
    ///
    /// # Errors
    ///
    /// When the filter or the collector's address cannot be read, or this build sends no traces.
    #[cfg_attr(not(feature = "otlp"), expect(unused_variables, reason = "nothing is sent"))]
    pub fn begin(&self, service: &'static str) -> anyhow::Result<Traces> {
        let Some(endpoint) = &self.otlp_endpoint else {
            logs(&self.log, self.log_format)?;
            return Ok(Traces {
                #[cfg(feature = "otlp")]
                sent: None,
            });
        };
        #[cfg(feature = "otlp")]
        {
            use crate::telemetry::{logs_and_traces, otlp};
            let traces = otlp::Traces::to(endpoint, service)?;
            logs_and_traces(&self.log, self.log_format, &traces)?;
            Ok(Traces { sent: Some(traces) })
        }
        // Who wants traces should know that this build has none.
        #[cfg(not(feature = "otlp"))]
        anyhow::bail!(
            "LEASEHOLD_OTLP_ENDPOINT is set ({endpoint}), but this build sends no traces: build it with the feature otlp"
        )
    }
}
