//! Lets a node vote that is new or lost its data: asks, lets the model decide, and tells the node.

use futures_util::future::join_all;

use super::leases::Shared;
use crate::{
    model::{
        Question, Reply, Standing,
        admission::{self, Verdict},
    },
    node::NodeErrorKind,
};

/// Whether the node votes from now on; if not, why.
///
/// Any number of clients may do this at once: each step is atomic at the node, and does nothing the
/// second time.
pub(super) async fn admit(shared: &Shared, node: usize) -> Result<(), NodeErrorKind> {
    let mut standings = vec![None; shared.nodes.len()];
    // First the node, then the others: what they say counts only if it was out for long enough
    // before they were asked.
    standings[node] = Some(standing(shared, node).await?);
    let others = (0..standings.len()).filter(|&other| other != node);
    let asked = others.map(async |other| (other, standing(shared, other).await.ok()));
    for (other, standing) in join_all(asked).await {
        standings[other] = standing;
    }
    let clock_floor = shared.hints.next(shared.clock.wall());
    match admission::admission(node, &standings, shared.timing.ttl(), clock_floor) {
        Verdict::Member => Ok(()),
        Verdict::Wait(left) => Err(NodeErrorKind::Outside(Some(left))),
        Verdict::Unknown => Err(NodeErrorKind::Outside(None)),
        Verdict::Admit(how) => {
            let admitted = match ask(shared, node, Question::Admit(how)).await? {
                Reply::Admitted => Ok(()),
                Reply::Standing(Standing::Outside { out_for, .. }) => {
                    let left = how.quarantine.saturating_sub(out_for);
                    Err(NodeErrorKind::Outside(Some(left)))
                }
                _ => Err(NodeErrorKind::Outside(None)),
            };
            if admitted.is_ok() {
                tracing::info!(
                    node.address = shared.nodes[node].address(), node.floor = %how.floor,
                    "node may vote: it was new, or had lost its data"
                );
            }
            admitted
        }
    }
}

async fn standing(shared: &Shared, node: usize) -> Result<Standing, NodeErrorKind> {
    match ask(shared, node, Question::Stand).await? {
        Reply::Standing(standing) => Ok(standing),
        _ => Err(NodeErrorKind::Outside(None)),
    }
}

async fn ask(shared: &Shared, node: usize, question: Question) -> Result<Reply, NodeErrorKind> {
    let answer = shared.nodes[node].ask(&[question]).await.into_iter().next();
    let answer = answer.unwrap_or(Ok(Reply::NotMember)).inspect_err(|error| {
        shared.note_error(error);
    });
    answer.map_err(|error| error.kind)
}
