//! What programs ask of the sidecar.

use std::time::Duration;

use leasehold::RESOURCES_MAX;
use leasehold_sidecar::{
    holding::{Binding, TTL_MAX, TTL_MIN, Terms, WAIT_MAX, What},
    http::{LockStore, fuzzing},
};

use crate::http::{assert_refusal, is_object, post, run};

/// A body is refused with a reason, or asks for something within its limits. The first byte says which
/// body it is.
pub fn sidecar_requests(data: &[u8]) {
    let Some((which, body)) = data.split_first() else { return };
    let accepted = match which % 5 {
        0 => want(body),
        1 => renewal(body),
        2 => attachment(body),
        3 => dapr_lock(body),
        _ => return stores(body),
    };
    assert!(!accepted || is_object(body), "taken although it is no object");
}

fn want(body: &[u8]) -> bool {
    let want = match run(fuzzing::want(post(body))) {
        Ok(want) => want,
        Err(refusal) => {
            assert_refusal(refusal);
            return false;
        }
    };
    in_time(want.terms);
    assert!(want.wait <= WAIT_MAX);
    assert!((1..=RESOURCES_MAX).contains(&want.what.count()));
    if let What::All(names) = &want.what {
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    }
    assert!(!want.what.names().is_empty());
    true
}

fn in_time(Terms { ttl, .. }: Terms) {
    assert!((TTL_MIN..=TTL_MAX).contains(&ttl), "{ttl:?}");
}

fn renewal(body: &[u8]) -> bool {
    match run(fuzzing::renewal(post(body))) {
        Ok((ttl, link)) => {
            assert!(ttl.is_none_or(|ttl| (TTL_MIN..=TTL_MAX).contains(&ttl)));
            if let Binding::To(link) = link {
                assert_eq!(link.to_string().parse(), Ok(link));
            }
            true
        }
        Err(refusal) => {
            assert_refusal(refusal);
            false
        }
    }
}

fn attachment(body: &[u8]) -> bool {
    match run(fuzzing::attachment(post(body))) {
        Ok((stamp, terms)) => {
            in_time(terms);
            assert_eq!(stamp.token.turn(), 0);
            assert_eq!(stamp.holder.to_string().parse(), Ok(stamp.holder));
            true
        }
        Err(refusal) => {
            assert_refusal(refusal);
            false
        }
    }
}

fn dapr_lock(body: &[u8]) -> bool {
    match run(fuzzing::dapr_lock(post(body))) {
        Ok((resource, owner, expiry)) => {
            assert!(!resource.is_empty() && !owner.is_empty());
            assert!(expiry >= Duration::from_secs(1) && expiry <= TTL_MAX);
            assert_eq!(expiry.subsec_nanos(), 0);
            true
        }
        // In Dapr's words, not in ours.
        Err(refusal) => {
            assert!(refusal.status().is_client_error(), "{}", refusal.status());
            false
        }
    }
}

/// What stands between the parts of a key is in no part.
fn stores(text: &[u8]) {
    let Ok(text) = str::from_utf8(text) else { return };
    if let Ok(store) = text.parse::<LockStore>() {
        assert!(!text.contains("||") && !text.contains('\n'), "{store:?}");
    }
}
