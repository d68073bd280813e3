//! The Lua scripts, with the parts that they share, as one run of a server is asked with them.

use std::{
    ptr,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use crate::model::{GrantRequest, Question};

/// In place of a run: no guard (see `guard.lua`).
pub(super) const OPEN: &str = "open";

/// A text, and the hash that a server which has it in its cache knows it by.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) hash: String,
    pub(super) text: String,
}

/// A script.
#[derive(Debug)]
pub(super) struct Script {
    /// For one question.
    pub(super) one: Text,
    /// For several, if each takes two arguments.
    pub(super) several: Option<Text>,
    /// Whether it has to be told the lifetime of a lease.
    pub(super) takes_ttl: bool,
}

/// All scripts for one run.
#[derive(Debug)]
pub(super) struct Scripts {
    run: String,
    /// For any name and lifetime.
    grant: Script,
    /// For names without a hash tag and the lifetime that was granted first: a client has one. Not one
    /// for each lifetime, since a server keeps all texts that it was ever sent.
    usual_grant: OnceLock<(Duration, Script)>,
    commit: Script,
    renew: Script,
    release: Script,
    stand: Script,
    admit: Script,
}

impl Scripts {
    /// For the run of this id, or for what `guard.lua` takes in place of one.
    pub(super) fn new(run: &str) -> Self {
        let alone = |text: &str| Script::alone(run, text);
        let pair = |text: &str| Script::of_two_arguments(run, text);
        Self {
            run: run.to_owned(),
            grant: Script { takes_ttl: true, ..alone(&grant_text(run, None)) },
            usual_grant: OnceLock::new(),
            commit: pair(include_str!("scripts/commit.lua")),
            renew: pair(include_str!("scripts/renew.lua")),
            release: pair(include_str!("scripts/release.lua")),
            stand: alone(include_str!("scripts/stand.lua")),
            admit: alone(include_str!("scripts/admit.lua")),
        }
    }

    fn grant(&self, request: &GrantRequest) -> &Script {
        if request.resource.as_str().contains('{') {
            return &self.grant;
        }
        let (ttl, usual) = self.usual_grant.get_or_init(|| {
            let text = grant_text(&self.run, Some(request.ttl));
            (request.ttl, Script::of_two_arguments(&self.run, &text))
        });
        if *ttl == request.ttl { usual } else { &self.grant }
    }

    pub(super) fn of(&self, question: &Question) -> &Script {
        match question {
            Question::Grant(request) => self.grant(request),
            Question::Commit(_) => &self.commit,
            Question::Renew(_) => &self.renew,
            Question::Release { .. } => &self.release,
            Question::Stand => &self.stand,
            Question::Admit(_) => &self.admit,
        }
    }

    /// The script that answers both, and more like them; `None` if there is none.
    pub(super) fn together(&self, one: &Question, other: &Question) -> Option<&Text> {
        let both = self.of(one).several.as_ref().zip(self.of(other).several.as_ref());
        both.filter(|(one, other)| ptr::eq(*one, *other)).map(|(several, _)| several)
    }
}

/// The script that only looks: no guard, whatever run answers.
pub(super) fn look() -> &'static str {
    static LOOK: LazyLock<Text> =
        LazyLock::new(|| Text::new(OPEN, include_str!("scripts/look.lua")));
    &LOOK.text
}

/// `grant.lua` for this lifetime and names without a hash tag, or for all.
fn grant_text(run: &str, ttl: Option<Duration>) -> String {
    let grant = include_str!("scripts/grant.lua");
    let Some(ms) = ttl.map(|ttl| ttl.as_millis()) else {
        return format!(
            "local ttl, waiter, mode = ARGV[2], ARGV[3], ARGV[4]\n\
             local NOTED_MIN = RUN .. ' ' .. string.rep('0', 16 - #ttl) .. ttl\n\
             local NOTED_MAX = RUN .. ' 9999999999999999'\n{grant}"
        );
    };
    let grant = grant.replace("--#include keys.lua", include_str!("scripts/plain_keys.lua"));
    format!(
        "local ttl, waiter, mode = '{ms}', ARGV[2], ARGV[3]\n\
         local NOTED_MIN, NOTED_MAX = '{run} {ms:016}', '{run} 9999999999999999'\n{grant}"
    )
}

impl Script {
    fn alone(run: &str, text: &str) -> Self {
        Self { one: Text::new(run, text), several: None, takes_ttl: false }
    }

    fn of_two_arguments(run: &str, text: &str) -> Self {
        // In a cluster each resource is on another server.
        let several = (run != OPEN).then(|| {
            let several = include_str!("scripts/several.lua").replace("--#include question", text);
            Text::new(run, &several)
        });
        Self { several, ..Self::alone(run, text) }
    }
}

impl Text {
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
        let hash = redis::Script::new(&text).get_hash().to_owned();
        Self { hash, text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Resource,
        model::{GrantNumber, HolderId},
    };

    #[test]
    fn every_shared_part_is_put_in() {
        let scripts = Scripts::new("run");
        let _usual = scripts.grant(&request("r", 1));
        let Scripts { grant, usual_grant, commit, renew, release, stand, admit, .. } = scripts;
        let (_, usual) = usual_grant.into_inner().unwrap();
        for script in [grant, usual, commit, renew, release, stand, admit] {
            for Text { text, .. } in [script.one].into_iter().chain(script.several) {
                assert!(!text.contains("#include"), "{text}");
            }
        }
        assert!(!look().contains("#include"), "{}", look());
    }

    fn request(name: &str, seconds: u64) -> GrantRequest {
        GrantRequest {
            resource: Resource::new(name).unwrap(),
            holder: HolderId::from_random(1),
            ttl: Duration::from_secs(seconds),
            hint: GrantNumber::ONE,
            waiter: None,
        }
    }

    #[test]
    fn the_first_lifetime_is_in_the_text_and_any_other_is_sent() {
        let scripts = Scripts::new("run");
        for (name, seconds, is_usual) in [
            ("{r}", 7, false),
            ("r", 10, true),
            ("r", 7, false),
            ("s", 10, true),
            ("r{", 10, false),
        ] {
            let script = scripts.grant(&request(name, seconds));
            assert_eq!(script.takes_ttl, !is_usual, "{name} for {seconds} s");
            assert_eq!(script.several.is_some(), is_usual, "{name} for {seconds} s");
            assert_eq!(script.one.text.contains("string.rep"), !is_usual, "{name} for {seconds} s");
        }
    }

    #[test]
    fn without_a_guard_no_record_of_the_node_is_named() {
        let Scripts { grant, commit, renew, release, .. } = Scripts::new(OPEN);
        for script in [grant, commit, renew, release] {
            assert!(!script.one.text.contains("leasehold:member"), "{}", script.one.text);
            assert!(script.several.is_none());
        }
    }

    #[test]
    fn each_run_has_scripts_of_its_own() {
        assert_ne!(Scripts::new("a").grant.one.hash, Scripts::new("b").grant.one.hash);
    }
}
