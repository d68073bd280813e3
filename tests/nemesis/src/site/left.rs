//! What is left at the servers once nobody uses them any more.

use leasehold_stack::LeaseNode;

use super::Site;

/// What begins so has its place in the documentation of the lease and of the queue. Whatever else there is, is
/// held, and nobody is there to hold it.
const OURS: &str = "leasehold:";
/// Of ours, those that never expire: membership for ever, and the queue's streams.
const FOR_EVER: [&str; 3] = ["leasehold:member", "leasehold:outside", "leasehold:queue:"];

impl Site {
    /// Stops replicas and sidecar as an operator does, and closes the ways of lock holders; says who did not.
    pub(crate) async fn stop_services(&self) -> Vec<String> {
        let mut left = Vec::new();
        for place in &self.places {
            left.extend(place.drain().await.err().map(|error| format!("{error:#}")));
        }
        if let Some(sidecar) = &self.sidecar {
            left.extend(sidecar.lock().await.stop().await.err().map(|error| format!("{error:#}")));
        }
        left
    }

    /// Connections at the lease nodes, and keys that should be gone.
    pub(crate) async fn left_at_nodes(&self) -> anyhow::Result<Vec<String>> {
        let mut left = Vec::new();
        for node in &self.nodes {
            left.extend(left_at(&*node.lock().await).await?);
        }
        Ok(left)
    }
}

async fn left_at(node: &LeaseNode) -> anyhow::Result<Vec<String>> {
    let mut left = Vec::new();
    let mut connection = node.connection().await?;
    let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await?;
    let us: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
    let is_other = |line: &&str| !line.starts_with(&format!("id={us} "));
    let others = clients.lines().filter(is_other);
    left.extend(others.map(|line| format!("a connection at {}: {line}", node.name())));
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
    for key in keys {
        let ttl: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await?;
        let is_known = FOR_EVER.iter().any(|known| key.starts_with(known));
        if !key.starts_with(OURS) || (ttl == -1 && !is_known) {
            left.push(format!("a key at {}: {key}, for {ttl} ms", node.name()));
        }
    }
    Ok(left)
}
