//! TLS on a listener.

use std::{path::PathBuf, sync::Arc, time::Duration};

use leasehold_kit::{
    serve::{Limits, Stopped},
    tls::{Tls, TlsError, connect_unchecked},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    },
};

use crate::server::{LIMIT, NEVER, Server, get_once, told};

/// A certificate in files.
struct Files {
    folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        Self { folder, certificate, key }
    }

    /// Puts a new certificate and its key there, and returns the certificate.
    fn renew(&self) -> String {
        let CertifiedKey { cert, key_pair } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        self.put(&self.certificate, &cert.pem());
        self.put(&self.key, &key_pair.serialize_pem());
        cert.pem()
    }

    fn put(&self, path: &PathBuf, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }

    fn load(&self) -> Result<(Tls, leasehold_kit::files::Files), TlsError> {
        Tls::load(self.certificate.clone(), self.key.clone())
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

/// Connects as a client that trusts this certificate alone.
async fn connect(server: &Server, trusted: &str) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(der(trusted)).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, server.connect().await).await
}

fn limits() -> Limits {
    Limits { stop_timeout: NEVER, ..Limits::default() }
}

#[tokio::test]
async fn requests_are_answered_over_tls_and_in_http_1() {
    let files = Files::new();
    let certificate = files.renew();
    let server = Server::start(Some(files.load().unwrap().0), limits()).await;
    let stream = connect(&server, &certificate).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(told(stream, get_once("/")).await.ends_with("\r\n\r\nhere"));
    let slow = connect(&server, &certificate).await.unwrap();
    let slow = tokio::spawn(told(slow, get_once("/slow")));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (stopped, slow) = tokio::join!(server.stop(), slow);
    assert!(slow.unwrap().ends_with("late"));
    assert_eq!(stopped, Stopped::Clean);
}

#[tokio::test]
async fn who_does_not_shake_hands_is_cut_off_and_keeps_nobody_waiting() {
    let files = Files::new();
    let certificate = files.renew();
    let handshake_timeout = Duration::from_millis(500);
    let limits = Limits { handshake_timeout, header_timeout: NEVER, ..limits() };
    let server = Server::start(Some(files.load().unwrap().0), limits).await;
    let silent = tokio::spawn(told(server.connect().await, ""));
    let plain = told(server.connect().await, get_once("/")).await;
    assert!(!plain.contains("here"), "{plain}");
    let stream = connect(&server, &certificate).await.unwrap();
    assert!(!silent.is_finished(), "the silent one was to be there still");
    assert!(told(stream, get_once("/")).await.ends_with("here"));
    assert_eq!(silent.await.unwrap(), "");
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_half_of_one_is_not() {
    let files = Files::new();
    let first = files.renew();
    let (tls, followed) = files.load().unwrap();
    let following = tokio::spawn(tls.clone().follow(followed, Duration::from_millis(1)));
    let server = Server::start(Some(tls), limits()).await;
    let before = connect(&server, &first).await.unwrap();
    let key = std::fs::read_to_string(&files.key).unwrap();
    let second = files.renew();
    let renewed = std::fs::read_to_string(&files.key).unwrap();
    shows(&server, &second).await;
    assert!(told(before, get_once("/")).await.ends_with("here"), "who was there before stays");
    files.put(&files.key, &key);
    tokio::time::sleep(Duration::from_millis(100)).await;
    shows(&server, &second).await;
    files.put(&files.key, &renewed);
    files.renew();
    let begun = std::time::Instant::now();
    while connect(&server, &second).await.is_ok() {
        assert!(begun.elapsed() < LIMIT, "the third is not shown");
    }
    following.abort();
}

/// Waits until the server shows this certificate.
async fn shows(server: &Server, certificate: &str) {
    let begun = std::time::Instant::now();
    while connect(server, certificate).await.is_err() {
        assert!(begun.elapsed() < LIMIT, "it is not shown");
    }
}

#[tokio::test]
async fn one_can_ask_without_a_look_at_the_certificate() {
    let files = Files::new();
    files.renew();
    let server = Server::start(Some(files.load().unwrap().0), limits()).await;
    let stream = connect_unchecked(server.connect().await, "127.0.0.1").await.unwrap();
    assert!(told(stream, get_once("/")).await.ends_with("here"));
}

#[test]
fn what_cannot_be_used_is_said_at_the_start_and_without_the_key() {
    let files = Files::new();
    let refusal = || {
        let error = files.load().unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("BEGIN"), "{said}");
        error
    };
    assert!(matches!(refusal(), TlsError::Unreadable(_)));
    let certificate = files.renew();
    let key = std::fs::read_to_string(&files.key).unwrap();
    files.renew();
    files.put(&files.key, &key);
    assert!(matches!(refusal(), TlsError::Refused(_)));
    files.put(&files.key, &certificate);
    assert!(matches!(refusal(), TlsError::NoKey));
    files.put(&files.certificate, &key);
    assert!(matches!(refusal(), TlsError::NoCertificate));
}
