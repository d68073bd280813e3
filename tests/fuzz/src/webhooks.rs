//! Addresses of webhooks, and what they are signed with.

use std::net::IpAddr;

use leasehold_purchase::{domain::Secret, webhook::Policy};

/// An address that is taken leads over TLS to a name or to what is not known to be private, and is the same
/// when it is written and read again.
pub fn webhook_addresses(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Some(secret) = Secret::from_text(text) {
        let bytes = secret.bytes().expect("it was one");
        assert_eq!(Secret::from_bytes(&bytes).reveal(), text);
    }
    let open = Policy { plain: true, private: true };
    let taken = Policy::default().check(text);
    if taken.is_ok() {
        assert!(open.check(text).is_ok(), "who may more is refused {text}");
    }
    for (policy, uri) in [(Policy::default(), taken), (open, open.check(text))] {
        let Ok(uri) = uri else { continue };
        assert_eq!(policy.check(&uri.to_string()).as_ref(), Ok(&uri), "{text}");
        let authority = uri.authority().expect("it has one").as_str();
        assert!(!authority.contains('@') && uri.port_u16() != Some(0), "{text}");
        let host = uri.host().expect("it has one");
        assert!(!host.is_empty(), "{text}");
        if policy.private {
            continue;
        }
        // What the name leads to is looked at with each connection.
        assert!(uri.scheme_str() == Some("https") && host != "localhost", "{text}");
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        assert!(bare.parse::<IpAddr>().map_or(true, is_not_private), "{text}");
    }
}

/// Told again, in other words than the policy's.
fn is_not_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let not = ip.is_loopback() || ip.is_private() || ip.is_link_local();
            !(not || ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast())
        }
        IpAddr::V6(ip) => {
            let not = ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local();
            !(not || ip.is_unspecified() || ip.is_multicast())
        }
    }
}
