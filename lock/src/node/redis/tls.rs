//! What TLS needs that redis leaves to its users.

use redis::ConnectionAddr;
use rustls::crypto::{CryptoProvider, ring};

/// Makes sure that rustls knows which cryptography to use: it panics at the first connection of a
/// process that has chosen none and has none compiled in, or two.
pub(super) fn choose_cryptography(address: &ConnectionAddr) {
    let is_tls = matches!(address, ConnectionAddr::TcpTls { .. });
    if is_tls && CryptoProvider::get_default().is_none() {
        // If another thread was faster, its choice stands.
        let _chosen = ring::default_provider().install_default();
    }
}
