//! Records for tests.

use super::record::{Better, Case, Commit, FORMAT, Figure, Machine, Record};

/// A figure in pairs per second.
pub(crate) fn figure(contestant: &str, tasks: u64, values: &[f64]) -> Figure {
    Figure {
        contestant: contestant.to_owned(),
        case: Case::default().with("nodes", 3_u64).with("tasks", tasks),
        metric: "pairs".to_owned(),
        unit: "1/s".to_owned(),
        better: Better::Higher,
        values: values.iter().copied().map(Some).collect(),
        void: None,
        histogram: Vec::new(),
        over_time: Vec::new(),
        step_ms: 0,
    }
}

pub(crate) fn record(figures: Vec<Figure>) -> Record {
    let commit = Commit { id: "c0ffee".to_owned(), dirty: false };
    let machine = Machine {
        cpu: "a <fast> one".to_owned(),
        cores: 2,
        memory_mib: 4096,
        kernel: "6.1".to_owned(),
    };
    Record {
        format: FORMAT,
        question: "lease".to_owned(),
        time: "2026-01-01T00:00:00Z".to_owned(),
        commit,
        machine,
        versions: [("redis".to_owned(), "7.0".to_owned())].into(),
        arguments: vec!["lease".to_owned()],
        configuration: serde_json::json!({"round_ms": 1000, "rounds": 3, "tasks": [1, 64]}),
        skipped: Vec::new(),
        figures,
    }
}
