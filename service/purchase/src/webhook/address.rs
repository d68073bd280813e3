//! Where webhooks may lead. Whoever may make one could else have this service speak to what only it
//! can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::Uri;
use url::{Host, ParseError, Url};

use crate::domain::Invalid;

/// What is allowed beyond public addresses over TLS. Default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Plain HTTP to any address; else only to this machine, where nobody listens on the way.
    pub plain: bool,
    /// Private, link-local and loopback addresses, and others that are not of the public internet.
    pub private: bool,
}

/// Why an address was not connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotAllowed {
    #[error("the address is not public (see LEASEHOLD_WEBHOOK_PRIVATE)")]
    Private,
    #[error("http without TLS is only for this machine (see LEASEHOLD_WEBHOOK_PLAIN)")]
    Plain,
}

impl Policy {
    /// Checks a webhook's address as far as can be told without resolving its name: that is done, and
    /// the result checked, for every connection.
    ///
    /// # Errors
    ///
    /// When it is no address that a webhook may have.
    pub fn check(self, url: &str) -> Result<Uri, Invalid> {
        let invalid = |reason: &str| Invalid::new("url", reason);
        let wrong = || invalid("must be an address as in https://example.com/hook");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (Some(authority), Some(host)) = (uri.authority(), uri.host()) else {
            return Err(wrong());
        };
        if authority.as_str().contains('@') || url.contains('#') {
            return Err(invalid("must be without user, password and fragment"));
        }
        // A port that is none is read as if none were given.
        let is_port_wrong =
            authority.as_str() != host && uri.port_u16().is_none_or(|port| port == 0);
        if host.is_empty() || is_port_wrong {
            return Err(wrong());
        }
        let address = leads_to(url).map_err(|_| wrong())?;
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") => {
                let here = address.is_some_and(|ip| ip.to_canonical().is_loopback());
                if !here && !self.plain {
                    return Err(invalid("must begin with https://"));
                }
            }
            _ => return Err(invalid("must begin with https://")),
        }
        if address.is_some_and(|ip| !self.private && !is_public(ip)) {
            return Err(invalid("must lead to a public address, not into this machine or network"));
        }
        Ok(uri)
    }

    /// Whether a connection to this address may be made, over TLS or not.
    pub(super) fn allow(self, ip: IpAddr, tls: bool) -> Result<(), NotAllowed> {
        if !self.private && !is_public(ip) {
            return Err(NotAllowed::Private);
        }
        if !tls && !self.plain && !ip.to_canonical().is_loopback() {
            return Err(NotAllowed::Plain);
        }
        Ok(())
    }
}

/// The host without the brackets that a URL has around IPv6 addresses.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// The IP address that a URL names, however it is written: 127.1, 0x7f000001 and 2130706433 are one. `None` for a
/// name that has to be looked up.
fn leads_to(url: &str) -> Result<Option<IpAddr>, ParseError> {
    let url = Url::parse(url)?;
    Ok(match url.host() {
        Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
        Some(Host::Domain(name)) => is_here(name).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        None => None,
    })
}

/// Whether a name, in lower case, is always this machine's (RFC 6761).
fn is_here(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether an address is of the public internet. What is not known to be is not.
fn is_public(ip: IpAddr) -> bool {
    // An IPv4 address in IPv6's clothes is judged by what it is.
    match ip.to_canonical() {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

const fn is_public_v4(ip: Ipv4Addr) -> bool {
    let not = match ip.octets() {
        // This network; shared by a provider; protocols; benchmarks; reserved, with broadcast.
        [0, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18..=19, ..] | [240..=255, ..] => {
            true
        }
        _ => {
            ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || ip.is_documentation()
        }
    };
    !not
}

const fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // Tunnels, in which another address hides; protocols; documentation.
        [0x2001, 0..=0x1ff, ..] | [0x2002, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => {
            false
        }
        // All of the rest that was given out.
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for ip in
            ["1.1.1.1", "93.184.216.34", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00::1"]
        {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        let not = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.168.1.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2001::1",
            "2002:7f00:1::",
            "2001:db8::1",
        ];
        for ip in not {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let none = Policy::default();
        assert_eq!(none.allow(ip("1.1.1.1"), true), Ok(()));
        assert_eq!(none.allow(ip("1.1.1.1"), false), Err(NotAllowed::Plain));
        assert_eq!(none.allow(ip("127.0.0.1"), true), Err(NotAllowed::Private));
        let private = Policy { private: true, ..none };
        assert_eq!(private.allow(ip("127.0.0.1"), false), Ok(()));
        assert_eq!(private.allow(ip("10.0.0.1"), false), Err(NotAllowed::Plain));
        assert_eq!(private.allow(ip("10.0.0.1"), true), Ok(()));
        let plain = Policy { plain: true, ..none };
        assert_eq!(plain.allow(ip("1.1.1.1"), false), Ok(()));
        assert_eq!(plain.allow(ip("::1"), false), Err(NotAllowed::Private));
    }

    #[test]
    fn addresses_are_checked_before_anything_is_resolved() {
        let none = Policy::default();
        let public = [
            "https://example.com",
            "https://example.com:8443/a?b=c",
            "https://localhost.example.com/",
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/",
        ];
        for url in public {
            assert!(none.check(url).is_ok(), "{url}");
        }
        let wrong = [
            "",
            "example.com",
            "/hook",
            "https://",
            "ftp://example.com",
            "http://example.com",
            "https://a:b@example.com",
            "https://example.com/#x",
            "https://10.0.0.1/",
            "https://[::1]/",
            "http://127.0.0.1/",
            "https://exa mple.com",
            "https://example.com:0/",
            "https://example.com:99999/",
            "http://localhost@example.com/",
            "http://localhost/",
            "https://localhost:8443/",
            "https://LocalHost./",
            "https://hooks.localhost/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://2130706433/",
            "https://0/",
            "https://10.1/",
            "https://169.254.43518/",
            "https://0xc0a80101/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a00:1]/",
            "https://[fe80::1]/",
            "https://[fd12::1]/",
            "https://1.2.3.4.5/",
        ];
        for url in wrong {
            assert_eq!(none.check(url).map_err(|e| e.field), Err("url"), "{url}");
        }
        let private = Policy { private: true, ..none };
        assert!(private.check("http://127.0.0.1:9/").is_ok());
        assert!(private.check("http://localhost/").is_ok());
        assert!(private.check("http://10.0.0.1/").is_err());
        assert!(private.check("https://10.0.0.1/").is_ok());
        assert!(Policy { plain: true, ..none }.check("http://example.com/").is_ok());
    }
}
