//! Signatures as in Standard Webhooks (<https://www.standardwebhooks.com>), version 1.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::Secret;

/// The value of `webhook-signature`: HMAC-SHA256 over id, time (seconds since 1970) and body. `None`
/// when the secret is none.
pub(super) fn sign(secret: &Secret, id: &str, timestamp: u64, body: &[u8]) -> Option<String> {
    // Takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.bytes()?).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_published_example_comes_out() {
        let secret = Secret::from_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(
            sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body).unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
