//! The live page and the documentation page: files that are part of the program.

use std::sync::LazyLock;

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use leasehold_kit::problem::Problem;
use sha2::{Digest as _, Sha256};
use tower_http::compression::CompressionLayer;

use super::{body::InPath, error};

/// Everything comes from this server, and nothing is written into the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

struct File {
    path: &'static str,
    body: &'static [u8],
}

macro_rules! file {
    ($path:literal) => {
        File { path: $path, body: include_bytes!(concat!("../../web/", $path)) }
    };
}

const FILES: &[File] = &[
    file!("docs.html"),
    file!("index.html"),
    file!("css/admin.css"),
    file!("css/base.css"),
    file!("css/docs.css"),
    file!("css/live.css"),
    file!("css/side.css"),
    file!("favicon.svg"),
    file!("js/admin.js"),
    file!("js/api.js"),
    file!("js/chart.js"),
    file!("js/docs-schema.js"),
    file!("js/docs.js"),
    file!("js/dom.js"),
    file!("js/fields.js"),
    file!("js/format.js"),
    file!("js/history.js"),
    file!("js/lanes.js"),
    file!("js/link.js"),
    file!("js/main.js"),
    file!("js/rush.js"),
    file!("js/sale.js"),
    file!("js/side.js"),
    file!("js/stream.js"),
    file!("js/theme.js"),
    file!("vendor/uplot/uPlot.iife.min.js"),
    file!("vendor/uplot/uPlot.min.css"),
];

/// What a browser compares to see whether its copy is still the newest: the same for all files, as
/// they change together.
static VERSION: LazyLock<HeaderValue> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for file in FILES {
        digest.update(file.body);
    }
    let tag = format!("\"{}\"", hex::encode(&digest.finalize()[..8]));
    HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
});

/// `/`, `/docs` and what they are made of.
pub(super) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|headers: HeaderMap| async move { serve("index.html", &headers) }))
        .route("/docs", get(|headers: HeaderMap| async move { serve("docs.html", &headers) }))
        .route("/assets/{*path}", get(asset))
        .layer(CompressionLayer::new())
        .layer(from_fn(guard))
}

async fn asset(InPath(path): InPath<String>, headers: HeaderMap) -> Result<Response, Problem> {
    // The pages have addresses of their own.
    if path.ends_with(".html") {
        return Err(error::no_such("file"));
    }
    serve(&path, &headers)
}

fn serve(path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = FILES.iter().find(|file| file.path == path).ok_or_else(|| error::no_such("file"))?;
    let fresh = [
        (header::ETAG, VERSION.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if headers.get(header::IF_NONE_MATCH) == Some(&*VERSION) {
        return Ok((StatusCode::NOT_MODIFIED, fresh).into_response());
    }
    let kind = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    };
    Ok((fresh, [(header::CONTENT_TYPE, kind)], file.body).into_response())
}

async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        let _before = headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::FILES;

    /// Every file below a folder, as its path from there.
    fn files(folder: &Path, from: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, from, found);
            } else {
                found.push(path.strip_prefix(from).unwrap().to_str().unwrap().to_owned());
            }
        }
    }

    #[test]
    fn every_file_of_the_pages_is_served() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        let mut there = Vec::new();
        files(&web, &web, &mut there);
        // The licence and the origin of vendored files are for readers of the source.
        there.retain(|path| !path.ends_with("README.md") && !path.ends_with("LICENSE"));
        there.sort();
        let mut served: Vec<_> = FILES.iter().map(|file| file.path.to_owned()).collect();
        served.sort();
        assert_eq!(served, there);
    }
}
