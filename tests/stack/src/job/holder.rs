//! Finds the replica that holds a sale's lease, and kills it while it does.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use leasehold_stack::{LeaseNode, Replica};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::World;

/// How long to look for a moment in which a replica surely holds the lease.
const SEARCH_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(2);

/// Who was killed, and how long nothing was sold afterwards.
#[derive(Clone, Debug)]
pub(crate) struct Killed {
    /// The replica's name.
    pub(crate) replica: String,
    /// Units sold when it died.
    pub(crate) sold: i64,
    /// From its death to the next accepted write of another; `None` when nothing was left to sell.
    pub(crate) gap: Option<Duration>,
}

/// Kills the replica that holds the lease once a tenth of the tickets is sold.
///
/// To be sure that it holds it, the replica is first stopped, and only then is looked whether the
/// lease on a quorum of nodes is the one that its last write carried. If not, it goes on.
pub(super) async fn kill(
    world: &World,
    sale: Uuid,
    tickets: u32,
) -> anyhow::Result<Option<Killed>> {
    let mut books = PgConnection::connect(&world.stack.database_url()).await?;
    let begun = Instant::now();
    while begun.elapsed() < SEARCH_LIMIT {
        tokio::time::sleep(PAUSE).await;
        let Some(last) = last_write(&mut books, sale).await? else { continue };
        if last.sold >= i64::from(tickets) {
            return Ok(None);
        }
        let replica = world.replicas.iter().find(|replica| replica.name() == last.replica);
        let replica = replica.with_context(|| format!("no replica is called {}", last.replica))?;
        if last.sold * 10 < i64::from(tickets) {
            continue;
        }
        replica.process().pause()?;
        if let Some(sold) = is_holding(world, &mut books, sale, replica).await? {
            replica.process().kill().await?;
            let dead = Instant::now();
            let name = replica.name();
            let gap = next_write_of_another(&mut books, sale, name, dead).await?;
            return Ok(Some(Killed { replica: name.to_owned(), sold, gap }));
        }
        replica.process().resume()?;
    }
    anyhow::bail!("no replica was seen holding the lease within {SEARCH_LIMIT:?}");
}

struct LastWrite {
    replica: String,
    sold: i64,
    holder: String,
}

async fn last_write(books: &mut PgConnection, sale: Uuid) -> anyhow::Result<Option<LastWrite>> {
    let row: Option<(String, i32, String)> = sqlx::query_as(
        "select b.replica, s.sold, f.holder from batches b \
         join sales s on s.id = b.sale_id and s.version = b.version \
         join leasehold_fence f on f.resource = 'sale/' || s.id and f.token = b.token where s.id = $1",
    )
    .bind(sale)
    .fetch_optional(books)
    .await?;
    Ok(row.map(|(replica, sold, holder)| LastWrite { replica, sold: sold.into(), holder }))
}

/// Whether the stopped replica holds the lease on a quorum of nodes, and how much is sold.
async fn is_holding(
    world: &World,
    books: &mut PgConnection,
    sale: Uuid,
    replica: &Replica,
) -> anyhow::Result<Option<i64>> {
    let Some(last) = last_write(books, sale).await? else { return Ok(None) };
    if last.replica != replica.name() {
        return Ok(None);
    }
    let mut held = 0;
    for node in &world.stack.nodes {
        if holder_on(node, sale).await?.as_deref() == Some(last.holder.as_str()) {
            held += 1;
        }
    }
    Ok((held > world.stack.nodes.len() / 2).then_some(last.sold))
}

async fn holder_on(node: &LeaseNode, sale: Uuid) -> anyhow::Result<Option<String>> {
    let mut connection = node.connection().await?;
    let value: Option<String> =
        redis::cmd("GET").arg(format!("sale/{sale}")).query_async(&mut connection).await?;
    // A lease that others wait for has a mark behind its holder.
    Ok(value.map(|value| value.trim_end_matches('+').to_owned()))
}

/// The dead replica's last statement may still have been under way in Postgres: only a write of
/// another ends the gap.
async fn next_write_of_another(
    books: &mut PgConnection,
    sale: Uuid,
    dead_replica: &str,
    dead: Instant,
) -> anyhow::Result<Option<Duration>> {
    while dead.elapsed() < SEARCH_LIMIT {
        if last_write(books, sale).await?.is_some_and(|last| last.replica != dead_replica) {
            return Ok(Some(dead.elapsed()));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(None)
}
