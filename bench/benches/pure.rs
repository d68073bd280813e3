//! How long the pure parts take.
//!
//! ```sh
//! cargo bench -p leasehold-bench --bench pure
//! ```

mod cases;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, case) in cases::CASES {
        let mut case = case();
        let _group = criterion.bench_function(name, |bencher| bencher.iter(&mut case));
    }
    criterion.final_summary();
}
