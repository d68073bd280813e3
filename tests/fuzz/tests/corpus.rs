//! What the fuzzer found so far.

use std::{fs, path::Path};

use leasehold_fuzz::TARGETS;

#[test]
fn what_was_found_holds_still() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in TARGETS {
        let files = fs::read_dir(corpus.join(name)).unwrap().map(|file| file.unwrap().path());
        let mut fed = 0;
        for file in files {
            println!("{}", file.display());
            target(&fs::read(file).unwrap());
            fed += 1;
        }
        assert!(fed > 0, "nothing is kept for {name}");
    }
    let folders = fs::read_dir(corpus).unwrap().count();
    assert_eq!(folders, TARGETS.len(), "a folder that no target is named as");
}
