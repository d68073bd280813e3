//! The header `Host`, which HTTP/1.1 demands and hyper does not.

use axum::{
    extract::Request,
    http::{Version, header},
};

use crate::{code, problem::Problem};

/// Refuses requests without a `Host`, or with several: what stands between a client and us may read
/// another one of them than we do (RFC 9112, section 3.2).
pub(crate) fn check(request: &Request) -> Result<(), Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    // HTTP/1.0 did not know it.
    let least = usize::from(request.version() >= Version::HTTP_11);
    if (least..=1).contains(&hosts) {
        return Ok(());
    }
    Err(code::INVALID_REQUEST.says(format!("send one Host header, not {hosts}")))
}
