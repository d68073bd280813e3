//! Questions as script calls, and replies as answers.

use std::time::Duration;

use redis::{Cmd, Value};

use super::scripts::Scripts;
use crate::model::{
    Admission, Binding, ClientId, GrantNumber, GrantRequest, HolderId, Question, Reply, Standing,
};

/// Clients listen on this and their id.
const WAKE_CHANNEL: &str = "leasehold:wake:";

/// How a question is put. Each form costs more than the one before, and is used where that one does
/// not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A plain command, if the server has one that does it.
    Plain,
    /// A script that the server should have in its cache.
    Hash,
    /// The script itself, which the server then has.
    Text,
}

/// The call for a question.
pub(super) fn call(question: &Question, form: Form, scripts: &Scripts) -> Cmd {
    if let (Form::Plain, Question::Release { resource, holder }) = (form, question) {
        let mut cmd = redis::cmd("DELIFEQ");
        cmd.arg(resource.as_str()).arg(holder.to_string());
        return cmd;
    }
    let script = scripts.of(question);
    let mut cmd = if form == Form::Text {
        let mut cmd = redis::cmd("EVAL");
        cmd.arg(&script.text);
        cmd
    } else {
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(&script.hash);
        cmd
    };
    arguments(&mut cmd, question);
    if form == Form::Text {
        cmd.arg("check");
    }
    cmd
}

fn arguments(cmd: &mut Cmd, question: &Question) {
    match question {
        Question::Grant(request) => {
            let GrantRequest { resource, holder, ttl, hint, waiter } = &**request;
            cmd.arg(1).arg(resource.as_str()).arg(bound(*hint, *holder)).arg(millis(*ttl));
            match waiter {
                Some(client) => cmd.arg(client.to_string()),
                None => cmd.arg(""),
            };
        }
        Question::Commit(binding) | Question::Renew(binding) => {
            let Binding { resource, holder, ttl, number } = binding;
            cmd.arg(1).arg(resource.as_str()).arg(bound(*number, *holder)).arg(millis(*ttl));
        }
        Question::Release { resource, holder } => {
            cmd.arg(1).arg(resource.as_str()).arg(holder.to_string());
        }
        Question::Enlist { resource, client } => {
            cmd.arg(1).arg(resource.as_str()).arg(client.to_string());
        }
        Question::Stand => {
            cmd.arg(0);
        }
        Question::Admit(Admission { floor, ttl_max, quarantine, outage }) => {
            let floor = format!("{:016}", floor.get());
            cmd.arg(0).arg(floor).arg(millis(*ttl_max)).arg(millis(*quarantine)).arg(*outage);
        }
    }
}

/// A number and whom it is bound to, as the fence has them.
fn bound(number: GrantNumber, holder: HolderId) -> String {
    format!("{:016}:{holder}", number.get())
}

/// The channel that wakes this client.
pub(super) fn wake_channel(client: ClientId) -> String {
    format!("{WAKE_CHANNEL}{client}")
}

/// Reads what the server replied to a question; `None` if that is no reply to it.
pub(super) fn reply(question: &Question, value: &Value) -> Option<Reply> {
    match question {
        Question::Grant(request) => match (int(value), list(value)) {
            (Some(1), _) => Some(Reply::Granted(request.hint)),
            (Some(minted), _) => number(minted).map(Reply::Granted),
            (None, Some([0, pttl, fence])) => {
                let ttl_left = u64::try_from(pttl).ok().map(Duration::from_millis);
                Some(Reply::Held { ttl_left, fence: number(fence) })
            }
            (None, Some([1, clock, _])) => {
                number(clock).map(|node_clock| Reply::HintAhead { node_clock })
            }
            (None, Some([2, ..])) => Some(Reply::NotMember),
            _ => None,
        },
        Question::Commit(_) | Question::Renew(_) => match int(value)? {
            1 => Some(Reply::Bound),
            0 => Some(Reply::Refused),
            -1 => Some(Reply::NotMember),
            _ => None,
        },
        // DELIFEQ knows 0 and 1, too.
        Question::Release { .. } => match int(value)? {
            2 => Some(Reply::Released { woke: true }),
            1 => Some(Reply::Released { woke: false }),
            0 => Some(Reply::NotOurs),
            _ => None,
        },
        Question::Enlist { .. } => int(value).map(|_| Reply::Enlisted),
        Question::Stand => standing(list(value)?).map(Reply::Standing),
        Question::Admit(_) => match list(value)? {
            [1, ..] => Some(Reply::Admitted),
            outside => standing(outside).map(Reply::Standing),
        },
    }
}

fn standing(list: [i64; 3]) -> Option<Standing> {
    let span = |ms: i64| u64::try_from(ms).ok().map(Duration::from_millis);
    match list {
        [1, high, ttl_max] => {
            let high = number(high.max(1))?;
            Some(Standing::Member { high, ttl_max: span(ttl_max)? })
        }
        [0, out_for, since] => {
            let outage = u64::try_from(since).ok()?;
            Some(Standing::Outside { out_for: span(out_for)?, outage })
        }
        _ => None,
    }
}

const fn int(value: &Value) -> Option<i64> {
    match value {
        Value::Int(int) => Some(*int),
        _ => None,
    }
}

/// Up to three integers; what is missing is 0.
fn list(value: &Value) -> Option<[i64; 3]> {
    let Value::Array(items) = value else { return None };
    let mut list = [0; 3];
    if items.len() > list.len() {
        return None;
    }
    for (place, item) in list.iter_mut().zip(items) {
        *place = int(item)?;
    }
    Some(list)
}

fn number(value: i64) -> Option<GrantNumber> {
    u64::try_from(value).ok().and_then(|n| GrantNumber::new(n).ok())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Resource;

    #[test]
    fn a_reply_of_another_kind_is_no_answer() {
        let release = Question::Release {
            resource: Resource::new("r").unwrap(),
            holder: HolderId::from_random(1),
        };
        assert_eq!(reply(&release, &Value::Nil), None);
        assert_eq!(reply(&release, &Value::Int(7)), None);
        assert_eq!(reply(&Question::Stand, &Value::Array(vec![Value::Int(0); 4])), None);
    }
}
