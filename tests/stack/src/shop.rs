//! A client of the purchase service, for buyers and tests.

use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// How long a client waits for an answer: longer than the service's own patience.
const ANSWER_LIMIT: Duration = Duration::from_secs(90);

/// Fresh API keys, made for one run.
#[derive(Clone, Debug)]
pub struct Keys {
    /// What sells on behalf of buyers.
    pub buyer: String,
    /// What makes sales.
    pub admin: String,
}

impl Keys {
    /// Random keys.
    #[must_use]
    pub fn random() -> Self {
        let key = |kind: &str| format!("{kind}-{}", Uuid::new_v4().simple());
        Self { buyer: key("buyer"), admin: key("admin") }
    }

    /// The list of them, as replicas take it.
    #[must_use]
    pub fn list(&self) -> String {
        let digest = |key: &str| hex::encode(Sha256::digest(key));
        format!("shop:buyer:{},office:admin:{}", digest(&self.buyer), digest(&self.admin))
    }
}

/// What the service answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Whether it is an earlier answer again.
    pub replayed: bool,
    /// The content type.
    pub content_type: String,
    /// When to try again, in seconds.
    pub retry_after: Option<u64>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The problem's stable code; empty when there is none.
    #[must_use]
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

/// Talks to replicas. Cloning is cheap and shares the connections.
#[derive(Clone, Debug)]
pub struct Shop {
    client: Client<HttpConnector, Full<Bytes>>,
    keys: Keys,
}

impl Shop {
    /// A client that knows these keys.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, keys }
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// When no whole answer comes: it is not known what became of the request.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Answer> {
        let whole = async {
            let response = self.client.request(request).await?;
            let (head, body) = response.into_parts();
            let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
            anyhow::Ok(Answer {
                status: head.status,
                replayed: header("idempotency-replayed") == Some("true"),
                content_type: header("content-type").unwrap_or_default().to_owned(),
                retry_after: header("retry-after").and_then(|seconds| seconds.parse().ok()),
                body: body.collect().await?.to_bytes(),
            })
        };
        tokio::time::timeout(ANSWER_LIMIT, whole).await.context("no answer in time")?
    }

    /// `GET`, as a buyer.
    ///
    /// # Errors
    /// As [`Shop::send`].
    pub async fn get(&self, url: &str) -> anyhow::Result<Answer> {
        self.get_as(url, &self.keys.buyer).await
    }

    /// `GET` with one of the API keys.
    ///
    /// # Errors
    /// As [`Shop::send`].
    pub async fn get_as(&self, url: &str, api_key: &str) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .uri(url)
            .header("authorization", format!("Bearer {api_key}"))
            .body(Full::default())?;
        self.send(request).await
    }

    /// `POST` of JSON with a key of the caller's and one of the API keys.
    ///
    /// # Errors
    /// As [`Shop::send`].
    pub async fn post(
        &self,
        url: &str,
        api_key: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        self.change(Method::POST, url, api_key, key, body).await
    }

    /// `PATCH`, otherwise as [`Shop::post`].
    ///
    /// # Errors
    /// As [`Shop::send`].
    pub async fn patch(
        &self,
        url: &str,
        api_key: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        self.change(Method::PATCH, url, api_key, key, body).await
    }

    /// `DELETE`, as a buyer.
    ///
    /// # Errors
    /// As [`Shop::send`].
    pub async fn delete(&self, url: &str) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.keys.buyer))
            .body(Full::default())?;
        self.send(request).await
    }

    async fn change(
        &self,
        method: Method,
        url: &str,
        api_key: &str,
        key: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {api_key}"))
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(Full::from(body.to_string()))?;
        self.send(request).await
    }

    /// Makes a sale of this many units and returns its id.
    ///
    /// # Errors
    /// When the service does not make it.
    pub async fn create_sale(
        &self,
        replica: &str,
        name: &str,
        capacity: u32,
    ) -> anyhow::Result<Uuid> {
        let body = serde_json::json!({
            "name": name, "capacity": capacity, "unit_price_minor": 2500, "currency": "EUR",
        });
        let key = Uuid::new_v4().to_string();
        let answer =
            self.post(&format!("{replica}/v1/sales"), &self.keys.admin, &key, &body).await?;
        let text = String::from_utf8_lossy(&answer.body);
        anyhow::ensure!(
            answer.status == StatusCode::CREATED,
            "no sale was made: {} {text}",
            answer.status
        );
        answer.json()["sale_id"]
            .as_str()
            .and_then(|id| id.parse().ok())
            .context("an answer without a sale id")
    }

    /// Asks to buy.
    ///
    /// # Errors
    /// As [`Shop::send`].
    pub async fn buy(
        &self,
        replica: &str,
        sale: Uuid,
        key: &str,
        buyer: &str,
        quantity: u32,
    ) -> anyhow::Result<Answer> {
        let body = serde_json::json!({ "buyer": buyer, "quantity": quantity });
        self.post(&format!("{replica}/v1/sales/{sale}/purchases"), &self.keys.buyer, key, &body)
            .await
    }
}
