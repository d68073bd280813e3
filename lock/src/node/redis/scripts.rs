//! The Lua scripts, with the parts that they share, as one run of a server is asked with them.

use crate::model::Question;

/// In place of a run: no guard (see `guard.lua`).
pub(super) const OPEN: &str = "open";

/// A script, and the hash that a server which has it in its cache knows it by.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) hash: String,
    pub(super) text: String,
}

/// All scripts for one run.
#[derive(Debug)]
pub(super) struct Scripts {
    grant: Script,
    commit: Script,
    renew: Script,
    release: Script,
    stand: Script,
    admit: Script,
}

impl Scripts {
    /// For the run of this id, or for what `guard.lua` takes in place of one.
    pub(super) fn new(run: &str) -> Self {
        let script = |text: &str| Script::new(run, text);
        Self {
            grant: script(include_str!("scripts/grant.lua")),
            commit: script(include_str!("scripts/commit.lua")),
            renew: script(include_str!("scripts/renew.lua")),
            release: script(include_str!("scripts/release.lua")),
            stand: script(include_str!("scripts/stand.lua")),
            admit: script(include_str!("scripts/admit.lua")),
        }
    }

    pub(super) const fn of(&self, question: &Question) -> &Script {
        match question {
            Question::Grant(_) => &self.grant,
            Question::Commit(_) => &self.commit,
            Question::Renew(_) => &self.renew,
            Question::Release { .. } => &self.release,
            Question::Stand => &self.stand,
            Question::Admit(_) => &self.admit,
        }
    }
}

impl Script {
    fn new(run: &str, text: &str) -> Self {
        let text = text
            .replace("--#include keys.lua", include_str!("scripts/keys.lua"))
            .replace("--#include guard.lua", include_str!("scripts/guard.lua"))
            .replace("--#include clock.lua", include_str!("scripts/clock.lua"))
            .replace("--#include raise.lua", include_str!("scripts/raise.lua"))
            .replace("--#include queue.lua", include_str!("scripts/queue.lua"));
        // Without a guard no record is read. The lease's key stands in for it, since in a cluster a
        // script may only name keys of one slot.
        let records = match run {
            OPEN => "KEYS[1], KEYS[1]",
            _ => "'leasehold:member', 'leasehold:outside'",
        };
        let text = format!("local RUN, MEMBER, OUTSIDE = '{run}', {records}\n{text}");
        Self { hash: redis::Script::new(&text).get_hash().to_owned(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shared_part_is_put_in() {
        let Scripts { grant, commit, renew, release, stand, admit } = Scripts::new("run");
        for script in [grant, commit, renew, release, stand, admit] {
            assert!(!script.text.contains("#include"), "{}", script.text);
        }
    }

    #[test]
    fn without_a_guard_no_record_of_the_node_is_named() {
        let Scripts { grant, commit, renew, release, .. } = Scripts::new(OPEN);
        for script in [grant, commit, renew, release] {
            assert!(!script.text.contains("leasehold:member"), "{}", script.text);
        }
    }

    #[test]
    fn each_run_has_scripts_of_its_own() {
        assert_ne!(Scripts::new("a").grant.hash, Scripts::new("b").grant.hash);
    }
}
