//! One of the pure parts, so many times, for those who count its instructions: CONTRIBUTING.md has the command.
//! Without a case, each once.

mod cases;

/// How often a case is done while it is counted.
const TIMES: u32 = 1000;

fn main() {
    // Cargo itself gives `--bench`.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    for (name, case) in cases::CASES {
        let mut case = case();
        match &wanted {
            None => case(),
            Some(wanted) if wanted == name => {
                // Tables and buffers get their size outside of what is counted.
                case();
                counted(&mut case);
            }
            Some(_) => {}
        }
    }
    let is_known = |wanted: &String| cases::CASES.iter().any(|(name, _)| name == wanted);
    assert!(wanted.as_ref().is_none_or(is_known), "no such case: {wanted:?}");
}

/// What stands between its beginning and its end is counted.
#[inline(never)]
fn counted(case: &mut dyn FnMut()) {
    for _ in 0..TIMES {
        case();
    }
}
