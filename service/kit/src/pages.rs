//! Pages that are part of the program: files that a browser gets from this server alone.

use std::{fs, io, path::Path};

use axum::{
    Router,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest as _, Sha256};
use tower_http::compression::CompressionLayer;

use crate::{body::InPath, error, problem::Problem};

/// Everything comes from this server, and nothing is written into the page itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// Where it is in its folder, with slashes.
    pub path: &'static str,
    /// What is in it.
    pub body: &'static [u8],
}

/// A list of [`File`](crate::pages::File)s in a folder, which is given as it is seen from the source file
/// around, with a slash at its end.
///
/// ```
/// use leasehold_kit::pages::File;
///
/// const SOURCES: &[File] = leasehold_kit::embedded!("" "pages.rs");
/// # let _all = SOURCES;
/// ```
#[macro_export]
macro_rules! embedded {
    ($folder:literal $($path:literal)*) => {
        &[$($crate::pages::File { path: $path, body: include_bytes!(concat!($folder, $path)) }),*]
    };
}

/// The documentation page, which reads `/v1/openapi.json`, and what it is made of. Other pages may use its
/// colours and its scripts.
pub const DOCS: &[File] = embedded! {
    "../web/"
    "docs.html"
    "css/base.css"
    "css/docs.css"
    "favicon.svg"
    "js/docs-schema.js"
    "js/docs.js"
    "js/dom.js"
    "js/theme.js"
};

/// Files as they are served.
#[derive(Clone)]
struct Site {
    lists: &'static [&'static [File]],
    /// What a browser compares to see whether its copy is still the newest: the same for all files, as
    /// they change together.
    version: HeaderValue,
}

/// Pages at these paths, each made of the file beside it, and below `/assets/` every file of these lists
/// but pages. Of two files with the same path, the first is served.
pub fn router<S: Clone + Send + Sync + 'static>(
    pages: &[(&'static str, &'static str)],
    lists: &'static [&'static [File]],
) -> Router<S> {
    let site = Site { lists, version: version(lists) };
    let mut router = Router::new();
    for (path, file) in pages.iter().copied() {
        let site = site.clone();
        let page = async move |headers: HeaderMap| site.serve(file, &headers);
        router = router.route(path, get(page));
    }
    let asset = async move |InPath(path): InPath<String>, headers: HeaderMap| {
        // The pages have addresses of their own.
        if path.ends_with(".html") {
            return Err(error::no_such("file"));
        }
        site.serve(&path, &headers)
    };
    router.route("/assets/{*path}", get(asset)).layer(CompressionLayer::new()).layer(from_fn(guard))
}

/// Files below a folder that no list has, as their paths from there; the licence and the origin of what is
/// vendored are for readers of the source. For services' tests.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn left_out(folder: &Path, files: &[File]) -> io::Result<Vec<String>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            let is_for_readers = name.ends_with("README.md") || name.ends_with("LICENSE");
            if !is_for_readers && !files.iter().any(|file| file.path == name) {
                found.push(name);
            }
        }
    }
    Ok(found)
}

fn version(lists: &[&[File]]) -> HeaderValue {
    let mut digest = Sha256::new();
    for file in lists.iter().copied().flatten() {
        digest.update(file.body);
    }
    let tag = format!("\"{}\"", hex::encode(&digest.finalize()[..8]));
    HeaderValue::from_str(&tag).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
}

impl Site {
    fn serve(&self, path: &str, headers: &HeaderMap) -> Result<Response, Problem> {
        let file = self.lists.iter().copied().flatten().find(|file| file.path == path);
        let file = file.ok_or_else(|| error::no_such("file"))?;
        let fresh = [
            (header::ETAG, self.version.clone()),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        ];
        if headers.get(header::IF_NONE_MATCH) == Some(&self.version) {
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
    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;

    const FILES: &[File] = &[
        File { path: "index.html", body: b"<!doctype html>" },
        File { path: "js/main.js", body: b"main()" },
    ];

    async fn answer(path: &str, known: Option<&HeaderValue>) -> Response {
        let mut request = Request::builder().uri(path);
        if let Some(known) = known {
            request = request.header(header::IF_NONE_MATCH, known);
        }
        let router = router(&[("/", "index.html"), ("/docs", "docs.html")], &[FILES, DOCS]);
        router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn pages_and_their_files_have_one_address_each() {
        for (path, status, kind) in [
            ("/", 200, "text/html; charset=utf-8"),
            ("/assets/js/main.js", 200, "text/javascript; charset=utf-8"),
            ("/docs", 200, "text/html; charset=utf-8"),
            ("/assets/js/docs.js", 200, "text/javascript; charset=utf-8"),
            ("/assets/css/base.css", 200, "text/css; charset=utf-8"),
            ("/assets/docs.html", 404, "application/problem+json"),
            ("/assets/index.html", 404, "application/problem+json"),
            ("/assets/js/other.js", 404, "application/problem+json"),
        ] {
            let answer = answer(path, None).await;
            let headers = answer.headers();
            assert_eq!(
                (answer.status().as_u16(), headers[header::CONTENT_TYPE].as_bytes()),
                (status, kind.as_bytes())
            );
            assert_eq!(headers[header::CONTENT_SECURITY_POLICY], POLICY);
        }
    }

    #[tokio::test]
    async fn what_a_browser_has_is_not_sent_again() {
        let first = answer("/", None).await;
        let version = &first.headers()[header::ETAG];
        assert_eq!(answer("/assets/js/main.js", Some(version)).await.status(), 304);
        let other = HeaderValue::from_static("\"0\"");
        assert_eq!(answer("/", Some(&other)).await.status(), 200);
    }

    #[test]
    fn every_file_of_the_documentation_page_is_served_and_one_that_is_not_is_noticed() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        assert_eq!(left_out(&web, DOCS).unwrap(), Vec::<String>::new());
        let docs = ["docs.html", "css/docs.css"];
        let others: Vec<File> =
            DOCS.iter().copied().filter(|file| !docs.contains(&file.path)).collect();
        let mut found = left_out(&web, &others).unwrap();
        found.sort();
        assert_eq!(found, ["css/docs.css", "docs.html"]);
    }
}
