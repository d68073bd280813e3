//! What lease nodes say, and where they are.

use std::{sync::Arc, time::Duration};

use leasehold::{
    GrantNumber, HolderId, Resource,
    model::{Admission, Binding, ClientId, GrantRequest, Handover, Question, Reply, Seen},
    node::{RedisNode, fuzzing},
};
use redis::Value;

use crate::http::run;

/// One question of each kind.
fn questions() -> [Question; 6] {
    let (resource, holder) = (Resource::new("r").expect("a name"), HolderId::from_random(1));
    let (ttl, number) = (Duration::from_secs(10), GrantNumber::new(1000).expect("a number"));
    let client = Some(ClientId::from_random(1));
    let grant =
        GrantRequest { resource: resource.clone(), holder, ttl, hint: number, waiter: client };
    let binding = Binding { resource: resource.clone(), holder, ttl, number };
    let admission = Admission { floor: number, ttl_max: ttl, quarantine: ttl, outage: 1 };
    [
        Question::Grant(Arc::new(grant)),
        Question::Commit(binding.clone()),
        Question::Renew(binding),
        Question::Release { resource, holder, next: client },
        Question::Stand,
        Question::Admit(admission),
    ]
}

/// Whatever bytes come from a server: an error is no answer, an answer is one to its question, and only
/// what the fence names is taken for ours.
pub fn node_words(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data) {
        handover(text);
        settings(text);
    }
    let Ok(value) = redis::parse_redis_value(data) else { return };
    for question in questions() {
        let Some(reply) = fuzzing::reply(&question, &value) else { continue };
        assert!(matches!(value, Value::Int(_) | Value::Array(_)), "{value:?}");
        let fits = match question {
            Question::Grant(_) => matches!(
                reply,
                Reply::Granted { .. }
                    | Reply::Held { .. }
                    | Reply::HintAhead { .. }
                    | Reply::NotMember
            ),
            Question::Commit(_) | Question::Renew(_) => {
                matches!(reply, Reply::Bound | Reply::Refused | Reply::NotMember)
            }
            Question::Release { .. } => matches!(reply, Reply::Released { .. } | Reply::NotOurs),
            Question::Stand => matches!(reply, Reply::Standing(_)),
            Question::Admit(_) => matches!(reply, Reply::Standing(_) | Reply::Admitted),
        };
        assert!(fits, "{question:?}: {reply:?}");
        if let (Value::Int(minted), Reply::Granted { number, .. }) = (&value, &reply) {
            // 1 stands for the number that was asked for.
            let given = i64::try_from(number.get()).ok();
            assert!(given == Some(*minted) || (*minted == 1 && given == Some(1000)), "{value:?}");
        }
    }
    if let Some(Seen::Ours { holder, number, .. }) = fuzzing::seen(&value) {
        let said = format!("{value:?}");
        assert_eq!(said.matches(&holder.to_string()).count(), 2, "{said}");
        assert!(said.contains(&number.to_string()), "{said}");
    }
}

fn handover(text: &str) {
    let Some(read) = fuzzing::handover(text) else { return };
    let Handover { resource, holder, number, next } = &read;
    let next = next.map_or_else(|| "-".to_owned(), |client| client.to_string());
    // As grant.lua and release.lua write it.
    let written = format!("{holder} {:016} {next} {resource}", number.get());
    assert_eq!(fuzzing::handover(&written), Some(read.clone()), "{written}");
}

fn settings(text: &str) {
    let report = fuzzing::report(text, None);
    for warning in report.warnings() {
        assert!(!warning.to_string().is_empty());
    }
    for found in [&report.version, &report.run_id, &report.eviction] {
        assert!(text.contains(&**found) && !found.contains('\n'), "{found:?}");
    }
}

/// No message has the password that stands in an address.
pub fn node_addresses(data: &[u8]) {
    const PASSWORD: &str = "hunter2";
    let Ok(text) = str::from_utf8(data) else { return };
    let limit = Duration::from_secs(1);
    let _any = run(async { RedisNode::new(text, limit) });
    // A URL is read without the blanks in it.
    if text.replace(|c: char| !c.is_ascii_alphanumeric(), "").contains(PASSWORD) {
        return;
    }
    for scheme in ["redis", "rediss"] {
        let url = format!("{scheme}://user:{PASSWORD}@{text}");
        let said = run(async {
            let node = RedisNode::new(&url, limit);
            node.map_or_else(|error| error.to_string(), |node| format!("{node:?}"))
        });
        assert!(!said.contains(PASSWORD), "{said}");
    }
}
