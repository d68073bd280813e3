//! What the architecture says is absent, is absent.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A rule: in files below a folder, none of these words stands in a line of code.
struct Absence {
    below: &'static str,
    words: &'static [&'static str],
    why: &'static str,
}

const ABSENCES: &[Absence] = &[
    Absence {
        below: "lock/src/model",
        words: &[
            "async ",
            "tokio",
            "redis",
            "::now()",
            "rand::",
            "crate::client",
            "crate::node",
            "crate::fence",
        ],
        why: "the model decides; it does nothing",
    },
    Absence {
        below: "lock/src/node",
        words: &["crate::client::L", "crate::fence", "sqlx"],
        why: "arrows go down",
    },
    Absence {
        below: "lock/src/client",
        words: &["redis::", "crate::fence", "sqlx"],
        why: "only node/ knows redis",
    },
    Absence {
        below: "lock",
        words: &["leasehold_purchase", "leasehold_stack", "axum"],
        why: "lock knows nothing of the rest",
    },
    Absence {
        below: "service/purchase/src/domain",
        words: &[
            "async ",
            "tokio",
            "sqlx",
            "axum",
            "::now",
            "crate::store",
            "crate::grant",
            "crate::http",
        ],
        why: "the domain decides; it does nothing",
    },
    Absence {
        below: "service/purchase/src/store",
        words: &["crate::grant", "crate::http", "axum", ".begin()"],
        why: "arrows go down, and a transaction that a dropped future leaves open poisons its connection",
    },
    Absence {
        below: "service/purchase/src/grant",
        words: &["crate::http", "sqlx", "StatusCode"],
        why: "arrows go down",
    },
    Absence {
        below: "service/purchase/src/grant",
        words: &["redis::", "XADD"],
        why: "only queue/ knows redis",
    },
    Absence {
        below: "service/purchase/src/queue",
        words: &["crate::grant", "crate::http", "crate::store", "sqlx"],
        why: "arrows go down, and only store/ knows SQL",
    },
    Absence {
        below: "service/purchase/src/webhook",
        words: &["crate::http", "crate::grant", "sqlx", "select "],
        why: "arrows go down, and only store/ knows SQL",
    },
    Absence {
        below: "service/purchase/src/http",
        words: &["sqlx", "select "],
        why: "only store/ knows SQL",
    },
    Absence {
        below: "service/kit",
        words: &["leasehold_purchase", "leasehold_sidecar", "sqlx", "redis::"],
        why: "the kit does not know what a service does",
    },
    Absence {
        below: "service/sidecar/src",
        words: &["leasehold_purchase", "sqlx", "redis::"],
        why: "the sidecar knows leases, and neither Postgres nor Redis",
    },
    Absence {
        below: "service/sidecar/src/holding",
        words: &["crate::http", "axum", "StatusCode"],
        why: "arrows go down",
    },
    Absence {
        below: "service",
        words: &["leasehold_stack"],
        why: "services do not know the tests",
    },
];

/// Longest file without its tests. What is over it has stopped being one idea.
const LINES_MAX: usize = 320;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of code before the file's unit tests, with their numbers; no comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tests = text.lines().position(|line| line == "#[cfg(test)]").unwrap_or(usize::MAX);
    text.lines()
        .enumerate()
        .take(tests)
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(index, line)| (index + 1, line))
}

fn broken(absence: &Absence, name: &str, text: &str) -> Vec<String> {
    code(text)
        .filter_map(|(line, code)| {
            let word = absence.words.iter().find(|word| code.contains(*word))?;
            Some(format!("{name}:{line} has {word:?}: {}", absence.why))
        })
        .collect()
}

#[test]
fn what_is_absent_is_absent() {
    let root = root();
    let mut found = Vec::new();
    for absence in ABSENCES {
        let mut files = Vec::new();
        rust_files(&root.join(absence.below), &mut files);
        assert!(!files.is_empty(), "{} is empty", absence.below);
        for file in files {
            let name = file.strip_prefix(&root).unwrap().display().to_string();
            found.extend(broken(absence, &name, &fs::read_to_string(&file).unwrap()));
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_check_finds_what_it_should() {
    let absence = Absence { below: "", words: &["sqlx"], why: "arrows go down" };
    let text = "use sqlx::Row;\n// sqlx in a comment\n#[cfg(test)]\nmod tests { use sqlx::Row; }";
    assert_eq!(broken(&absence, "a.rs", text), ["a.rs:1 has \"sqlx\": arrows go down"]);
}

#[test]
fn files_are_one_idea_long() {
    let root = root();
    let mut files = Vec::new();
    for folder in ["lock", "service", "bench", "tests"] {
        rust_files(&root.join(folder), &mut files);
    }
    let long: Vec<String> = files
        .iter()
        .filter_map(|file| {
            let text = fs::read_to_string(file).unwrap();
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
            (lines > LINES_MAX).then(|| format!("{} has {lines} lines", file.display()))
        })
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn every_script_and_migration_is_used() {
    let root = root();
    let redis = fs::read_to_string(root.join("lock/src/node/redis/scripts.rs")).unwrap();
    for entry in fs::read_dir(root.join("lock/src/node/redis/scripts")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(redis.contains(&name), "{name} is used by nobody");
    }
}
