//! What lies between one replica and the servers, as verbs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context as _, ensure};
use sqlx::postgres::PgConnectOptions;

use crate::{LeaseNode, Link, Proxy, Stack};

/// A [proxy](Proxy) to each lease node and to Postgres. Whoever is started with
/// [`ReplicaConfig::through`](crate::ReplicaConfig::through) reaches the servers only through them; others do
/// not notice what is done to them. Dropping it closes all their connections.
#[derive(Debug)]
pub struct Links {
    /// To the lease nodes, in their order.
    pub nodes: Vec<Proxy>,
    /// To Postgres.
    pub postgres: Proxy,
}

impl Links {
    /// Open links to all servers of a stack.
    ///
    /// # Errors
    /// When the stack has no Postgres, or one without a TCP address, or there are no free ports.
    pub async fn between(stack: &Stack) -> anyhow::Result<Self> {
        Self::listening_at(IpAddr::V4(Ipv4Addr::LOCALHOST), stack).await
    }

    pub(crate) async fn listening_at(ip: IpAddr, stack: &Stack) -> anyhow::Result<Self> {
        let postgres = stack.postgres.as_ref().context("links: the stack has no postgres")?;
        let to = |node: &LeaseNode| Proxy::listening_at(ip, node.address());
        let nodes = stack.nodes.iter().map(to).collect::<anyhow::Result<_>>()?;
        let postgres = Proxy::listening_at(ip, address_of(postgres.url()).await?)?;
        Ok(Self { nodes, postgres })
    }

    /// Cuts the links to all servers: connections are reset.
    pub fn cut_off(&self) {
        self.set(Link::Cut);
    }

    /// Opens all links; what they held is delivered.
    pub fn heal(&self) {
        self.set(Link::Open);
    }

    /// Changes the links to all servers.
    pub fn set(&self, link: Link) {
        self.set_nodes(link);
        self.postgres.set(link);
    }

    /// Changes the links to all lease nodes.
    pub fn set_nodes(&self, link: Link) {
        for node in &self.nodes {
            node.set(link);
        }
    }
}

async fn address_of(database_url: &str) -> anyhow::Result<SocketAddr> {
    let options: PgConnectOptions = database_url.parse().context("the address of postgres")?;
    let (host, port) = (options.get_host(), options.get_port());
    ensure!(options.get_socket().is_none(), "postgres listens at a socket file, links need TCP");
    let mut found = tokio::net::lookup_host((host, port))
        .await
        .with_context(|| format!("postgres at {host}"))?;
    found.next().with_context(|| format!("postgres at {host}: no address"))
}

/// The same user, database and options at another address.
pub(crate) fn at(url: &str, address: SocketAddr) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[start..].find(['/', '?']).map_or(url.len(), |at| start + at);
    let user = url[start..end].rfind('@').map_or(start, |at| start + at + 1);
    format!("{}{address}{}", &url[..user], &url[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_port_of_an_address_change() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        for (url, expected) in [
            ("redis://h:1", "redis://127.0.0.1:9"),
            ("redis://:secret@h/3", "redis://:secret@127.0.0.1:9/3"),
            ("postgres://a:b%40c@h:1/shop", "postgres://a:b%40c@127.0.0.1:9/shop"),
            (
                "postgres://a@[::1]:5/x?sslmode=disable",
                "postgres://a@127.0.0.1:9/x?sslmode=disable",
            ),
            ("postgres://h?sslmode=disable", "postgres://127.0.0.1:9?sslmode=disable"),
        ] {
            assert_eq!(at(url, address), expected);
        }
    }

    #[tokio::test]
    async fn the_address_of_postgres_is_a_tcp_one() {
        let found = address_of("postgres://a:b@127.0.0.1:6000/postgres").await.unwrap();
        assert_eq!(found, SocketAddr::from(([127, 0, 0, 1], 6000)));
        let error = address_of("postgres:///x?host=/run/postgresql").await.unwrap_err().to_string();
        assert!(error.contains("socket"), "{error}");
    }
}
