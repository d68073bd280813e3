//! How webhooks are delivered.

use std::time::Duration;

use clap::Args;

use crate::webhook::{Policy, WebhookConfig};

/// How webhooks are delivered.
#[derive(Args)]
pub(super) struct WebhookArgs {
    /// Whether webhooks may lead over http, without TLS, to other machines
    #[arg(long = "webhook-plain", env = "LEASEHOLD_WEBHOOK_PLAIN", default_value_t = false, action = clap::ArgAction::Set)]
    plain: bool,

    /// Whether webhooks may lead to private, link-local and loopback addresses
    #[arg(long = "webhook-private", env = "LEASEHOLD_WEBHOOK_PRIVATE", default_value_t = false, action = clap::ArgAction::Set)]
    private: bool,

    /// How often to look for what webhooks are to be told, in milliseconds
    #[arg(long = "webhook-poll-ms", env = "LEASEHOLD_WEBHOOK_POLL_MS", default_value_t = 500, value_parser = clap::value_parser!(u64).range(10..=60_000))]
    poll_ms: u64,

    /// How long a webhook's receiver may take to answer, in milliseconds
    #[arg(long = "webhook-timeout-ms", env = "LEASEHOLD_WEBHOOK_TIMEOUT_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=20_000))]
    timeout_ms: u64,

    /// How often a delivery is sent before it is put aside as a dead letter
    #[arg(long = "webhook-attempts", env = "LEASEHOLD_WEBHOOK_ATTEMPTS", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=1000))]
    attempts: u32,

    /// The shortest time before a failed delivery is sent again, in milliseconds; it doubles with each
    /// attempt, up to five minutes
    #[arg(long = "webhook-backoff-ms", env = "LEASEHOLD_WEBHOOK_BACKOFF_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=150_000))]
    backoff_ms: u64,
}

impl WebhookArgs {
    pub(super) const fn config(&self) -> WebhookConfig {
        WebhookConfig {
            policy: Policy { plain: self.plain, private: self.private },
            poll: Duration::from_millis(self.poll_ms),
            timeout: Duration::from_millis(self.timeout_ms),
            attempts_max: self.attempts,
            backoff: Duration::from_millis(self.backoff_ms),
        }
    }
}
