//! Webhooks over TLS: to receivers whose certificate the replica trusts, and to no others.

use std::sync::Arc;

use serde_json::json;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::{
    receiver::Receiver,
    tls::{Authority, Signed},
    webhooks::{QUICK, dead_letters, make},
    world::World,
};

fn acceptor(signed: &Signed) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[tokio::test]
async fn a_receiver_is_told_if_its_certificate_is_trusted_and_for_its_name() {
    let (trusted, other) = (Authority::new("ours"), Authority::new("somebody's"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("authorities.pem");
    std::fs::write(&file, trusted.certificate.pem()).unwrap();
    let file = file.display().to_string();
    let few = ("LEASEHOLD_WEBHOOK_ATTEMPTS", "2");
    let env = [QUICK[0], QUICK[1], QUICK[2], few, ("SSL_CERT_FILE", &file)];
    let world = World::start_with(1, &env).await;
    let sale = world.sale(1).await;

    let right = Receiver::start_tls(acceptor(&trusted.sign("localhost"))).await;
    let made = make(&world, &json!({"url": right.url("/hook"), "from_start": true})).await;
    right.has_taken(&[1]).await;
    right.got()[0].verify(&made.secret);
    assert_eq!(right.got()[0].json()["sale_id"], sale.to_string());

    for wrong in [other.sign("localhost"), trusted.sign("elsewhere.example")] {
        let receiver = Receiver::start_tls(acceptor(&wrong)).await;
        let made = make(&world, &json!({"url": receiver.url("/"), "from_start": true})).await;
        let letters = dead_letters(&world, made.id, 1).await;
        let why = letters[0]["last_error"].as_str().unwrap();
        assert!(why.contains("invalid peer certificate"), "{why}");
        assert_eq!(receiver.got().len(), 0, "it was told something");
    }
}
