//! What a server has of a resource.

use std::time::Duration;

use redis::{Cmd, Value};

use super::{RedisNode, connection::kind_of, scripts};
use crate::{
    model::{GrantNumber, HolderId, Resource, Seen},
    node::{NodeError, NodeErrorKind, NodeStep},
};

impl RedisNode {
    pub(super) async fn see(&self, resource: &Resource) -> Result<Seen, NodeError> {
        #[cfg(feature = "cluster")]
        if self.connections.is_cluster() {
            self.in_one_slot(NodeStep::Look, resource)?;
        }
        let asked = self.within_limit(NodeStep::Look, |mut on| async move {
            call(resource).query_async::<Value>(&mut on.stream).await
        });
        let value = asked.await?;
        if let Value::ServerError(error) = value {
            return Err(self.error(NodeStep::Look, kind_of(&error.into())));
        }
        read(&value).ok_or_else(|| {
            let why = format!("unexpected answer {value:?}").into();
            self.error(NodeStep::Look, NodeErrorKind::Rejected(why))
        })
    }
}

/// The text each time: it is asked rarely, and so needs no second question where a server has lost it.
fn call(resource: &Resource) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(scripts::look()).arg(1).arg(resource.as_str());
    cmd
}

pub(super) fn read(value: &Value) -> Option<Seen> {
    let Value::Array(items) = value else { return None };
    let [Value::Int(pttl), Value::BulkString(value), Value::BulkString(fence)] = items.as_slice()
    else {
        return None;
    };
    if *pttl == -2 {
        return Some(Seen::Free);
    }
    let ttl_left = u64::try_from(*pttl).ok().map(Duration::from_millis);
    // Other libraries have values of the same look. Only of ours the fence knows, which is bound in the
    // step in which the lease is taken.
    Some(match (holder(value), bound(fence)) {
        (Some(holder), Some((number, bound_to))) if holder == bound_to => {
            Seen::Ours { holder, number, ttl_left }
        }
        _ => Seen::Foreign { ttl_left },
    })
}

/// `<holder>`, and a `+` while somebody waits.
fn holder(value: &[u8]) -> Option<HolderId> {
    let text = std::str::from_utf8(value).ok()?;
    text.strip_suffix('+').unwrap_or(text).parse().ok()
}

/// `<number>:<holder>`, and the same mark.
fn bound(fence: &[u8]) -> Option<(GrantNumber, HolderId)> {
    let (number, bound_to) = std::str::from_utf8(fence).ok()?.split_once(':')?;
    Some((GrantNumber::new(number.parse().ok()?).ok()?, holder(bound_to.as_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(pttl: i64, value: &[u8], fence: &[u8]) -> Value {
        let texts = [value, fence].map(|text| Value::BulkString(text.to_vec()));
        Value::Array([Value::Int(pttl)].into_iter().chain(texts).collect())
    }

    #[test]
    fn only_what_the_fence_is_bound_to_is_ours() {
        let ours = HolderId::from_random(7);
        let (value, other) = (ours.to_string(), HolderId::from_random(8).to_string());
        let fence = format!("0000000000000012:{ours}");
        let seen =
            |ttl_left| Seen::Ours { holder: ours, number: GrantNumber::new(12).unwrap(), ttl_left };
        let second = Some(Duration::from_secs(1));
        for (mark, fence_mark) in [("", ""), ("+", "+"), ("", "+")] {
            let (value, fence) = (format!("{value}{mark}"), format!("{fence}{fence_mark}"));
            let read = read(&reply(1000, value.as_bytes(), fence.as_bytes()));
            assert_eq!(read, Some(seen(second)));
        }
        assert_eq!(read(&reply(-1, value.as_bytes(), fence.as_bytes())), Some(seen(None)));
        assert_eq!(read(&reply(-2, b"", fence.as_bytes())), Some(Seen::Free));
        let foreign = Some(Seen::Foreign { ttl_left: second });
        for value in [other.as_bytes(), b"", b"\xff\x00raw", format!("{value}++").as_bytes()] {
            assert_eq!(read(&reply(1000, value, fence.as_bytes())), foreign, "{value:?}");
        }
        for fence in [&b""[..], b"12", b"0:", b"\0\0+", format!("0:{value}").as_bytes()] {
            assert_eq!(read(&reply(1000, value.as_bytes(), fence)), foreign, "{fence:?}");
        }
    }

    #[test]
    fn a_reply_of_another_kind_is_no_answer() {
        for bad in [Value::Nil, Value::Int(1), Value::Array(vec![Value::Int(1); 3])] {
            assert_eq!(read(&bad), None);
        }
    }
}
