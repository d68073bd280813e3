//! Lease nodes over TLS, with certificates of an authority that nobody knows.
//!
//! The servers of some machines have no TLS; the ones that are fetched have none. Then these tests
//! are skipped with a line on stderr, or fail with `LEASEHOLD_TLS=required`.

use std::{env, sync::Arc, time::Duration};

use leasehold::{
    LeaseConfig, Leases, NodeStep, ReleaseOutcome,
    node::{Certificates, ClientCertificate, Node as _, RedisNode},
};
use leasehold_stack::{LeaseNode, Persistence, Stack, free_port};
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, KeyPair};

use crate::{
    servers::{PATIENCE, config, nodes, resource},
    skipped::skip,
    world::LIMIT,
};

/// What must not be skipped: `required`, or nothing.
const REQUIRED: &str = "LEASEHOLD_TLS";

/// What servers say that were built without TLS: Valkey, and Redis, which quotes what it does not
/// know.
const LACKING: [&str; 2] = ["Failed finding TLS support", ">>> 'tls-port"];

/// Signs certificates.
pub(crate) struct Authority {
    pub(crate) certificate: Certificate,
    key: KeyPair,
}

/// A certificate and its key, as PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    pub(crate) fn sign(&self, name: &str) -> Signed {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Trusts this one alone.
    fn trusted(&self) -> Certificates {
        Certificates { roots: Some(self.certificate.pem().into()), client: None }
    }
}

/// A server with one port for TLS, and one for those who look at it from outside.
struct Secured {
    node: LeaseNode,
    port: u16,
    authority: Authority,
    // Last, so that the folder is removed after the servers have ended.
    _stack: Stack,
}

impl Secured {
    /// Its certificate is for the name `localhost`, and for nothing else. `None` after saying that
    /// the test is skipped, and why.
    async fn start(asks_clients: bool) -> Option<Self> {
        let stack = nodes(1, Persistence::None).await;
        let authority = Authority::new("authority of the test");
        let Signed { certificate, key } = authority.sign("localhost");
        let port = free_port().unwrap();
        let auth = if asks_clients { "yes" } else { "no" };
        let mut lines = format!("tls-port {port}\ntls-auth-clients {auth}\n");
        for (setting, name, pem) in [
            ("tls-cert-file", "server.crt", &certificate),
            ("tls-key-file", "server.key", &key),
            ("tls-ca-cert-file", "authority.crt", &authority.certificate.pem()),
        ] {
            let file = stack.folder().join(name);
            std::fs::write(&file, pem).unwrap();
            lines.push_str(&format!("{setting} {}\n", file.display()));
        }
        match stack.nodes[0].beside("tls", &lines, &[]).await {
            Ok(node) => Some(Self { node, port, authority, _stack: stack }),
            Err(error) => {
                let said = format!("{error:#}");
                assert!(LACKING.iter().any(|lacking| said.contains(lacking)), "{said}");
                let is_forbidden = is_required(&env::var(REQUIRED).unwrap_or_default());
                skip(REQUIRED, is_forbidden, "the redis or valkey of this machine has no TLS");
                None
            }
        }
    }

    fn url(&self, host: &str) -> String {
        format!("rediss://{host}:{}", self.port)
    }

    fn node_at(&self, host: &str, certificates: &Certificates) -> RedisNode {
        RedisNode::with_certificates(&self.url(host), certificates, LIMIT).unwrap()
    }

    fn client(&self, certificates: &Certificates) -> Leases {
        // Handshakes take a busy machine long.
        let (ttl, node_timeout) = (Duration::from_secs(6), Duration::from_millis(1500));
        let config = LeaseConfig { ttl, node_timeout, ..LeaseConfig::default() };
        Leases::over(vec![Arc::new(self.node_at("localhost", certificates))], config).unwrap()
    }

    /// Whether somebody listens for leases that are free.
    async fn is_listened_to(&self) -> bool {
        let mut redis = self.node.connection().await.unwrap();
        let ask = redis::cmd("PUBSUB").arg("CHANNELS").arg("leasehold:wake:*").clone();
        !ask.query_async::<Vec<String>>(&mut redis).await.unwrap().is_empty()
    }
}

fn is_required(said: &str) -> bool {
    // A word that is misspelt would otherwise require nothing, in silence.
    assert!(["", "required"].contains(&said), "{REQUIRED} has the unknown word {said:?}");
    said == "required"
}

#[tokio::test]
async fn leases_are_taken_and_handed_on_over_tls() {
    let Some(server) = Secured::start(false).await else { return };
    let (ours, theirs) =
        (server.client(&server.authority.trusted()), server.client(&server.authority.trusted()));
    let lease = ours.acquire(&resource(), PATIENCE).await.unwrap();
    assert!(theirs.try_acquire(&resource()).await.is_err());
    let waiter = tokio::spawn(async move { theirs.acquire(&resource(), PATIENCE).await.unwrap() });
    let begun = std::time::Instant::now();
    while !server.is_listened_to().await {
        assert!(begun.elapsed() < LIMIT, "the other does not listen");
    }
    let token = lease.token();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(waiter.await.unwrap().token() > token);
}

#[tokio::test]
async fn a_server_that_asks_who_connects_is_told() {
    let Some(server) = Secured::start(true).await else { return };
    let Signed { certificate, key } = server.authority.sign("a client");
    let client = Some(ClientCertificate { chain: certificate.into(), key: key.into() });
    let known = Certificates { client, ..server.authority.trusted() };
    let lease = server.client(&known).acquire(&resource(), PATIENCE).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    let unknown = server.node_at("localhost", &server.authority.trusted());
    assert!(refusal(unknown).await.contains("CertificateRequired"));
}

#[tokio::test]
async fn what_is_not_trusted_is_refused_with_the_reason() {
    let Some(server) = Secured::start(false).await else { return };
    let (ours, another) = (server.authority.trusted(), Authority::new("another").trusted());
    for (host, certificates, why) in [
        ("localhost", &Certificates::default(), "UnknownIssuer"),
        ("localhost", &another, "UnknownIssuer"),
        ("127.0.0.1", &ours, "not valid for name"),
    ] {
        let said = refusal(server.node_at(host, certificates)).await;
        assert!(said.contains(why), "{said} instead of {why}");
    }
    let by_default = RedisNode::new(&server.url("localhost"), LIMIT).unwrap();
    assert!(refusal(by_default).await.contains("UnknownIssuer"));
}

#[tokio::test]
async fn without_tls_its_port_cannot_be_used_nor_with_tls_another() {
    let Some(server) = Secured::start(false).await else { return };
    let plain = format!("redis://localhost:{}", server.port);
    refusal(RedisNode::new(&plain, LIMIT).unwrap()).await;
    let secured = format!("rediss://{}", server.node.address());
    // The server waits for the rest of what it takes for a command.
    refusal(RedisNode::new(&secured, config().node_timeout).unwrap()).await;
}

/// Why the connection to a node cannot be made, in the words of an error that names both.
async fn refusal(node: RedisNode) -> String {
    let error = node.ping().await.unwrap_err();
    assert_eq!((&*error.address, error.step), (node.address(), NodeStep::Connect), "{error}");
    let said = error.to_string();
    assert!(said.starts_with(&format!("node {}: connect ", node.address())), "{said}");
    said
}

#[test]
fn what_is_required_is_not_skipped() {
    assert_eq!((is_required(""), is_required("required")), (false, true));
}

#[test]
#[should_panic(expected = "unknown word \"yes\"")]
fn an_unknown_word_is_not_read_as_not_required() {
    is_required("yes");
}
