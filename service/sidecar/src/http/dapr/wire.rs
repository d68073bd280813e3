//! Dapr's words: what its clients send, and how they are told no.

use std::time::Duration;

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use leasehold_kit::body::{BODY_BYTES_MAX, BODY_TIMEOUT};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{holding::TTL_MAX, http::code};

/// An error as Dapr has it.
pub(in crate::http) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Refused {
    pub(super) fn malformed(code: &'static str, message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, message }
    }

    pub(super) fn failed(code: &'static str, message: String) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, code, message }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = json!({ "errorCode": self.code, "message": self.message });
        (self.status, Json(body)).into_response()
    }
}

/// A request's fields; those that are not known are ignored, as Dapr does.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http) struct Fields {
    #[serde(rename = "resourceId", alias = "resource_id")]
    pub(in crate::http) resource: String,
    #[serde(rename = "lockOwner", alias = "lock_owner")]
    pub(in crate::http) owner: String,
    #[serde(rename = "expiryInSeconds", alias = "expiry_in_seconds")]
    expiry: Value,
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Response;

    /// Of any content type, as not all of Dapr's clients say one. What has nothing to do with its content
    /// is a problem as on every other route.
    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Bytes::from_request(request, state);
        let Ok(body) = tokio::time::timeout(BODY_TIMEOUT, body).await else {
            let detail = format!("the body did not come within {BODY_TIMEOUT:?}");
            return Err(code::BODY_TIMEOUT.says(detail).into_response());
        };
        let body = body.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let detail = format!("a body has at most {BODY_BYTES_MAX} bytes");
                return code::BODY_TOO_LARGE.says(detail).into_response();
            }
            malformed("the body did not come whole".to_owned()).into_response()
        })?;
        Self::read(&body).map_err(IntoResponse::into_response)
    }
}

impl Fields {
    fn read(body: &Bytes) -> Result<Self, Refused> {
        let failed = |error| malformed(format!("failed deserializing HTTP body: {error}"));
        // An object, and not a list of its values in order, which serde would take as well.
        let object: Map<String, Value> = serde_json::from_slice(body).map_err(failed)?;
        let fields: Self = serde_json::from_value(Value::Object(object)).map_err(failed)?;
        if fields.resource.is_empty() {
            return Err(malformed("ResourceId is empty".to_owned()));
        }
        if fields.owner.is_empty() {
            return Err(malformed("LockOwner is empty".to_owned()));
        }
        Ok(fields)
    }

    /// Whole seconds, as a number or, as the same message may have them, as a text.
    pub(in crate::http) fn expiry(&self) -> Result<Duration, Refused> {
        let seconds = match &self.expiry {
            Value::String(text) => text.parse().ok(),
            // 60.0 is the same integer to JSON.
            Value::Number(number) => number.as_u64().or_else(|| {
                let whole = number.as_f64().filter(|seconds| seconds.fract() == 0.0);
                whole.and_then(|seconds| format!("{seconds:.0}").parse().ok())
            }),
            _ => None,
        };
        let expiry = seconds.map(Duration::from_secs);
        expiry
            .filter(|expiry| !expiry.is_zero() && *expiry <= TTL_MAX)
            .ok_or_else(|| malformed(format!("ExpiryInSeconds is not 1 to {}", TTL_MAX.as_secs())))
    }
}

fn malformed(message: String) -> Refused {
    Refused::malformed("ERR_MALFORMED_REQUEST", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expiry(written: &str) -> Option<u64> {
        let text = format!(r#"{{"resourceId":"a","lockOwner":"b","expiryInSeconds":{written}}}"#);
        let fields = Fields::read(&text.into()).ok()?;
        fields.expiry().ok().map(|expiry| expiry.as_secs())
    }

    #[test]
    fn seconds_are_read_as_every_language_writes_them() {
        for written in ["60", "60.0", "6e1", "\"60\""] {
            assert_eq!(expiry(written), Some(60), "{written}");
        }
        for wrong in ["0", "86401", "-1", "-60.0", "1.5", "1e400", "1e30", "null", "\"x\"", "[60]"]
        {
            assert_eq!(expiry(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_list_is_no_request() {
        assert!(Fields::read(&r#"["a", "b", 60]"#.into()).is_err());
        assert!(
            Fields::read(&r#"{"resource_id": "a", "lock_owner": "b", "more": 1}"#.into()).is_ok()
        );
    }
}
