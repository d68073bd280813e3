//! Questions as script calls, and replies as answers.

use std::{slice, time::Duration};

use redis::{Cmd, RedisWrite as _, Value};

use super::scripts::{Scripts, Text};
use crate::model::{
    Admission, ClientId, GrantNumber, Handover, HolderId, Question, Reply, Resource, Standing,
};

/// Clients listen on this and their id.
const CHANNEL: &str = "leasehold:wake:";

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

/// Most calls' arguments are no longer than this together, the resource's name left out.
const ARGUMENTS: usize = 128;

/// The call for a question.
pub(super) fn call(question: &Question, form: Form, scripts: &Scripts) -> Cmd {
    if let (Form::Plain, Question::Release { resource, holder, .. }) = (form, question) {
        let mut cmd = command("DELIFEQ", 3, resource.as_str().len());
        cmd.write_arg(resource.as_str().as_bytes());
        cmd.write_arg_fmt(holder);
        return cmd;
    }
    let script = scripts.of(question);
    let is_text = form == Form::Text;
    let mut cmd = script_call(&script.one, is_text, slice::from_ref(question));
    // Each argument costs the server, so none that says nothing is sent at the end.
    arguments(&mut cmd, question, script.takes_ttl, is_text);
    if is_text {
        cmd.write_arg(b"check");
    }
    cmd
}

/// The one call for several questions that have the same script.
pub(super) fn call_together(questions: &[Question], form: Form, several: &Text) -> Cmd {
    let is_text = form == Form::Text;
    let mut cmd = script_call(several, is_text, questions);
    for question in questions {
        arguments(&mut cmd, question, false, true);
    }
    if is_text {
        cmd.write_arg(b"check");
    }
    cmd
}

/// A script, and the keys that it is about.
fn script_call(script: &Text, is_text: bool, questions: &[Question]) -> Cmd {
    let names = || questions.iter().filter_map(Question::resource).map(Resource::as_str);
    let (name, script) = match is_text {
        true => ("EVAL", script.text.as_bytes()),
        false => ("EVALSHA", script.hash.as_bytes()),
    };
    let longest = ARGUMENTS * (questions.len() - 1) + names().map(str::len).sum::<usize>();
    let beside = if is_text { script.len() } else { 0 };
    let mut cmd = command(name, 4 + 3 * questions.len(), longest + beside);
    cmd.write_arg(script);
    cmd.write_arg_fmt(names().count());
    for name in names() {
        cmd.write_arg(name.as_bytes());
    }
    cmd
}

/// A command with room for its arguments: each batch is made for each node anew, so what is allocated
/// for a call is allocated very often.
fn command(name: &str, arguments: usize, longest: usize) -> Cmd {
    let mut cmd = Cmd::with_capacity(arguments, ARGUMENTS + longest);
    cmd.write_arg(name.as_bytes());
    cmd
}

fn arguments(cmd: &mut Cmd, question: &Question, takes_ttl: bool, in_full: bool) {
    match question {
        Question::Grant(request) => {
            bound(cmd, request.hint, request.holder);
            if takes_ttl {
                cmd.write_arg_fmt(millis(request.ttl));
            }
            match request.waiter {
                Some(client) => cmd.write_arg_fmt(client),
                None if in_full => cmd.write_arg(b""),
                None => {}
            }
        }
        Question::Commit(binding) | Question::Renew(binding) => {
            bound(cmd, binding.number, binding.holder);
            cmd.write_arg_fmt(millis(binding.ttl));
        }
        Question::Release { holder, next, .. } => {
            cmd.write_arg_fmt(holder);
            match next {
                Some(next) => cmd.write_arg_fmt(next),
                None => cmd.write_arg(b""),
            }
        }
        Question::Stand => {}
        Question::Admit(Admission { floor, ttl_max, quarantine, outage }) => {
            cmd.write_arg_fmt(format_args!("{:016}", floor.get()));
            cmd.write_arg_fmt(millis(*ttl_max));
            cmd.write_arg_fmt(millis(*quarantine));
            cmd.write_arg_fmt(outage);
        }
    }
}

/// A number and whom it is bound to, as the fence has them.
fn bound(cmd: &mut Cmd, number: GrantNumber, holder: HolderId) {
    cmd.write_arg_fmt(format_args!("{:016}:{holder}", number.get()));
}

fn client(text: &str) -> Option<ClientId> {
    u64::from_str_radix(text, 16).ok().map(ClientId::from_random)
}

/// The channel on which this client is told what was handed over to it.
pub(super) fn channel(client: ClientId) -> String {
    format!("{CHANNEL}{client}")
}

/// Reads a message, `<holder> <number> <client that is next, or -> <resource>`; `None` if it is none
/// of ours.
pub(super) fn handover(message: &str) -> Option<Handover> {
    let mut parts = message.splitn(4, ' ');
    let (holder, number, next) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Handover {
        holder: holder.parse().ok()?,
        number: GrantNumber::new(number.parse().ok()?).ok()?,
        next: client(next),
        resource: Resource::new(parts.next()?).ok()?,
    })
}

/// Reads what the server replied to a question; `None` if that is no reply to it.
pub(super) fn reply(question: &Question, value: &Value) -> Option<Reply> {
    match question {
        Question::Grant(request) => match (int(value), list(value)) {
            (Some(1), _) => Some(Reply::Granted { number: request.hint, next: None }),
            (Some(minted), _) => Some(Reply::Granted { number: number(minted)?, next: None }),
            (None, Some(([3, minted, _], next))) => {
                Some(Reply::Granted { number: number(minted)?, next: next.and_then(client) })
            }
            (None, Some(([0, pttl, fence], bound_to))) => {
                let ttl_left = u64::try_from(pttl).ok().map(Duration::from_millis);
                let bound_to = bound_to.and_then(|holder| holder.parse().ok());
                Some(Reply::Held { ttl_left, fence: number(fence), bound_to })
            }
            (None, Some(([1, clock, _], _))) => {
                number(clock).map(|node_clock| Reply::HintAhead { node_clock })
            }
            (None, Some(([2, ..], _))) => Some(Reply::NotMember),
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
            2 => Some(Reply::Released { passed: true }),
            1 => Some(Reply::Released { passed: false }),
            0 => Some(Reply::NotOurs),
            _ => None,
        },
        Question::Stand => standing(list(value)?.0).map(Reply::Standing),
        Question::Admit(_) => match list(value)?.0 {
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

/// Up to three integers, of which those that are missing are 0, and perhaps a text after them.
fn list(value: &Value) -> Option<([i64; 3], Option<&str>)> {
    let Value::Array(items) = value else { return None };
    let (items, text) = match items.split_last() {
        Some((Value::BulkString(text), items)) => (items, std::str::from_utf8(text).ok()),
        _ => (items.as_slice(), None),
    };
    let mut list = [0; 3];
    if items.len() > list.len() {
        return None;
    }
    for (place, item) in list.iter_mut().zip(items) {
        *place = int(item)?;
    }
    Some((list, text))
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

    #[test]
    fn a_message_is_read_as_it_is_written_also_with_blanks_in_the_name() {
        let holder = HolderId::from_random(7);
        let next = ClientId::from_random(9);
        let resource = Resource::new("a b - c").unwrap();
        let number = GrantNumber::new(12).unwrap();
        for (next, text) in [(Some(next), next.to_string()), (None, "-".to_owned())] {
            let message = format!("{holder} 0000000000000012 {text} a b - c");
            let expected = Handover { resource: resource.clone(), holder, number, next };
            assert_eq!(handover(&message), Some(expected));
        }
        for bad in ["", "stage", "x 1 - stage", "00000000000000000000000000000007 0 - stage"] {
            assert_eq!(handover(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_reply_of_another_kind_is_no_answer() {
        let release = Question::Release {
            resource: Resource::new("r").unwrap(),
            holder: HolderId::from_random(1),
            next: None,
        };
        assert_eq!(reply(&release, &Value::Nil), None);
        assert_eq!(reply(&release, &Value::Int(7)), None);
        assert_eq!(reply(&Question::Stand, &Value::Array(vec![Value::Int(0); 4])), None);
    }
}
