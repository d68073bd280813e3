//! Errors on the wire: `application/problem+json` with a stable code (RFC 9457).

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// An error as a client sees it. What only the log may know does not belong in here.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    retry_after: Option<Duration>,
    current_version: Option<i64>,
}

#[derive(Serialize)]
struct Wire<'a> {
    /// Programs branch on the code; the title is the status in words.
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_version: Option<i64>,
}

impl Problem {
    /// A problem with a stable code that clients may branch on, and a sentence for people. Only codes
    /// make problems: one that stands in no table would be described nowhere.
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, current_version: None }
    }

    /// Says when to try again; rounded up to whole seconds, as the header wants it.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Says at which version the thing is that was to be changed: what to begin from next time.
    #[must_use]
    pub const fn at_version(mut self, current: i64) -> Self {
        self.current_version = Some(current);
        self
    }

    /// The status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The document, for where it stands in another one.
    #[must_use]
    pub fn document(&self) -> serde_json::Value {
        // Plain fields always serialise.
        serde_json::to_value(self.wire()).unwrap_or_default()
    }

    fn wire(&self) -> Wire<'_> {
        Wire {
            title: self.status.canonical_reason().unwrap_or("error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: &self.detail,
            current_version: self.current_version,
        }
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.wire()).unwrap_or_default();
        let content_type =
            (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (self.status, [content_type], body).into_response();
        if let Some(after) = self.retry_after {
            let seconds = after.as_millis().div_ceil(1000).max(1).to_string();
            if let Ok(value) = HeaderValue::from_str(&seconds) {
                let _before = response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            let _before = response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}
