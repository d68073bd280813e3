//! Traces to a collector, over OTLP (HTTP and protobuf). Feature `otlp`.

use std::time::Duration;

use async_trait::async_trait;
use axum::{body::Bytes, http};
use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt as _, TraceState, TracerProvider as _},
};
use opentelemetry_http::{HttpClient, HttpError, hyper::HyperClient};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use tokio::runtime::Handle;
use tracing::{Metadata, Span, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Layer, Registry, filter::FilterFn};

use super::{BoxedLayer, asked_each_time};
use crate::trace::TraceContext;

/// How long a collector may take to answer.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends spans of our own crates to a collector, in batches and in the background. What a collector
/// that is slow or away cannot take is dropped: selling goes on.
///
/// A caller's decision to record its trace or not is kept; of traces that begin here all are
/// recorded, unless `OTEL_TRACES_SAMPLER` says otherwise.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
}

/// Why traces cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("the traces' collector cannot be used: {0}")]
pub struct CollectorError(#[from] ExporterBuildError);

impl Traces {
    /// Sends to the collector at this address, such as `http://127.0.0.1:4318`, to which
    /// `/v1/traces` is added, as those of this service. Encryption is left to a collector on the same
    /// host. Call it inside of the runtime that is to send.
    ///
    /// # Errors
    ///
    /// When the address cannot be read.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn to(endpoint: &str, service: &'static str) -> Result<Self, CollectorError> {
        let client = HyperClient::with_default_connector(EXPORT_TIMEOUT, None);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(InRuntime { runtime: Handle::current(), client })
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()?;
        let provider = SdkTracerProvider::builder()
            .with_resource(Resource::builder().with_service_name(service).build())
            .with_batch_exporter(exporter)
            .build();
        Ok(Self { provider })
    }

    pub(super) fn layer(&self) -> BoxedLayer {
        let ours = |metadata: &Metadata<'_>| {
            metadata.target().starts_with("leasehold") && *metadata.level() <= LevelFilter::INFO
        };
        tracing_opentelemetry::layer::<Registry>()
            .with_tracer(self.provider.tracer("leasehold"))
            .with_filter(asked_each_time(FilterFn::new(ours)))
            .boxed()
    }

    /// Sends what is left, and ends. Blocks for as long as the collector takes, at most some seconds;
    /// the runtime must still run.
    pub fn end(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(EXPORT_TIMEOUT) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Makes a request's span a part of its caller's trace, and says in which trace it is; `None` when
/// no traces are sent.
pub(crate) fn join(span: &Span, context: TraceContext) -> Option<String> {
    if let Some(parent) = context.parent {
        let flags = if context.is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
        let (trace, parent) = (context.trace.to_be_bytes(), parent.to_be_bytes());
        let (trace, parent) = (TraceId::from_bytes(trace), SpanId::from_bytes(parent));
        let remote = SpanContext::new(trace, parent, flags, true, TraceState::default());
        // Without a collector there is nothing to join.
        let _joined = span.set_parent(Context::new().with_remote_span_context(remote));
    }
    let trace = span.context().span().span_context().trace_id();
    (trace != TraceId::INVALID).then(|| trace.to_string())
}

/// The exporter has a thread of its own, in which a client that needs the runtime would panic.
#[derive(Debug)]
struct InRuntime {
    runtime: Handle,
    client: HyperClient,
}

#[async_trait]
impl HttpClient for InRuntime {
    async fn send_bytes(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}
