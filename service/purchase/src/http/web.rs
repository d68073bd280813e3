//! The live page: files that are part of the program, beside those of the documentation page, whose colours
//! and scripts it shares.

use axum::Router;
use leasehold_kit::pages::{self, File};

const FILES: &[File] = leasehold_kit::embedded! {
    "../../web/"
    "index.html"
    "css/admin.css"
    "css/live.css"
    "css/side.css"
    "js/admin.js"
    "js/api.js"
    "js/chart.js"
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
    "vendor/uplot/uPlot.iife.min.js"
    "vendor/uplot/uPlot.min.css"
};

/// `/`, `/docs` and what they are made of.
pub(super) fn pages<S: Clone + Send + Sync + 'static>() -> Router<S> {
    pages::router(&[("/", "index.html"), ("/docs", "docs.html")], &[FILES, pages::DOCS])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use leasehold_kit::pages::left_out;

    use super::FILES;

    #[test]
    fn every_file_of_the_page_is_served() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("web");
        assert_eq!(left_out(&web, FILES).unwrap(), Vec::<String>::new());
    }
}
