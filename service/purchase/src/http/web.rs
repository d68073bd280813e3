//! The live page and the documentation page: files that are part of the program.

use axum::Router;
use leasehold_kit::pages::{self, File};

const FILES: &[File] = leasehold_kit::embedded! {
    "../../web/"
    "docs.html"
    "index.html"
    "css/admin.css"
    "css/base.css"
    "css/docs.css"
    "css/live.css"
    "css/side.css"
    "favicon.svg"
    "js/admin.js"
    "js/api.js"
    "js/chart.js"
    "js/docs-schema.js"
    "js/docs.js"
    "js/dom.js"
    "js/fields.js"
    "js/format.js"
    "js/history.js"
    "js/lanes.js"
    "js/link.js"
    "js/main.js"
    "js/rush.js"
    "js/sale.js"
    "js/side.js"
    "js/stream.js"
    "js/theme.js"
    "vendor/uplot/uPlot.iife.min.js"
    "vendor/uplot/uPlot.min.css"
};

/// `/`, `/docs` and what they are made of.
pub(super) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    pages::router(&[("/", "index.html"), ("/docs", "docs.html")], FILES)
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
