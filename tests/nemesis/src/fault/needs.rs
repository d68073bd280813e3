//! What a fault needs to be possible: a schedule may be of another run, with more of everything.

use super::{Fault, Victim};
use crate::schedule::Shape;

impl Fault {
    /// Why it cannot happen where there is this to break, in words for a person; `None` if it can.
    #[must_use]
    pub fn missing(self, shape: Shape) -> Option<String> {
        match self {
            Self::Kill(victim) | Self::Pause(victim) => is_there(victim, shape),
            Self::Drain(replica) | Self::ToPostgres(replica, _) | Self::ToNodes(replica, _) => {
                is_there(Victim::Replica(replica), shape)
            }
            Self::ToReplica(replica, _) => is_there(Victim::Replica(replica), shape),
            Self::ToNode(replica, node, _) => is_there(Victim::Replica(replica), shape)
                .or_else(|| is_there(Victim::Node(node), shape)),
            Self::HolderToNodes(holder, _) => {
                few(holder, shape.holders, "lock holders", "--holders")
            }
            Self::Forget(node) | Self::RefuseWrites(node) | Self::ForgetScripts(node) => {
                is_there(Victim::Node(node), shape)
            }
            Self::Connections(node, _) => is_there(Victim::Node(node), shape),
            Self::Clock(victim @ (Victim::Node(_) | Victim::Replica(_)), _) => {
                let lacks = (!shape.means.clocks)
                    .then_some("clocks that can be set (libfaketime, and no --no-clocks)");
                is_there(victim, shape).or_else(|| lacks.map(needs))
            }
            Self::FillDisk(victim @ (Victim::Node(_) | Victim::Postgres)) => {
                let lacks =
                    (!shape.means.small_disks).then_some("root, who may mount a small disk");
                is_there(victim, shape).or_else(|| lacks.map(needs))
            }
            Self::SlowSync(victim @ (Victim::Node(_) | Victim::Postgres)) => {
                let lacks =
                    (!shape.means.slow_syncs).then_some("strace, which may attach to processes");
                is_there(victim, shape).or_else(|| lacks.map(needs))
            }
            Self::Clock(victim, _) | Self::FillDisk(victim) | Self::SlowSync(victim) => {
                Some(format!("{victim} has nothing of that kind"))
            }
            Self::Part(0, _) => (!shape.means.networks)
                .then(|| needs("network namespaces (Linux, root, ip and nft)")),
            Self::Part(..) => Some("only replica-1 has a network of its own".to_owned()),
            Self::KillBeforeWrite
            | Self::KillAfterWrite
            | Self::PauseBeforeWrite
            | Self::TakeConnections => None,
        }
    }
}

fn is_there(victim: Victim, shape: Shape) -> Option<String> {
    match victim {
        Victim::Node(node) => few(node, shape.nodes, "lease nodes", "--nodes"),
        Victim::Replica(replica) => few(replica, shape.replicas, "replicas", "--replicas"),
        Victim::Postgres => None,
        Victim::Sidecar if shape.has_sidecar() => None,
        Victim::Sidecar => Some(needs("a sidecar, which is there with --holders 2 or more")),
        Victim::Balancer if shape.means.balancer => None,
        Victim::Balancer => Some(needs("a load balancer (haproxy)")),
    }
}

/// Whether there are too few of them for this index.
fn few(index: usize, there_are: usize, what: &str, option: &str) -> Option<String> {
    (index >= there_are).then(|| {
        format!(
            "there are only {there_are} {what}: start with {option} {}",
            index.saturating_add(1)
        )
    })
}

fn needs(what: &str) -> String {
    format!("it needs {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::{Parting, Way},
        means::Means,
    };

    const SHAPE: Shape = Shape { nodes: 3, replicas: 2, holders: 1, means: NONE };
    const NONE: Means = Means {
        clocks: false,
        balancer: false,
        small_disks: false,
        slow_syncs: false,
        networks: false,
    };
    const ALL: Means =
        Means { clocks: true, balancer: true, small_disks: true, slow_syncs: true, networks: true };

    #[test]
    fn what_is_not_there_is_said_with_what_would_bring_it() {
        for (fault, said) in [
            (Fault::Kill(Victim::Replica(2)), "only 2 replicas: start with --replicas 3"),
            (Fault::Drain(8), "--replicas 9"),
            (Fault::ToNode(0, 3, Way::Cut), "only 3 lease nodes: start with --nodes 4"),
            (Fault::ToNode(2, 0, Way::Cut), "--replicas 3"),
            (Fault::ToReplica(usize::MAX, Way::Cut), "--replicas"),
            (Fault::HolderToNodes(1, Way::Cut), "--holders 2"),
            (Fault::Connections(7, 0), "--nodes 8"),
            (Fault::Pause(Victim::Sidecar), "--holders 2"),
            (Fault::Kill(Victim::Balancer), "haproxy"),
            (Fault::Clock(Victim::Node(0), 5), "libfaketime"),
            (Fault::Clock(Victim::Postgres, 5), "nothing of that kind"),
            (Fault::FillDisk(Victim::Postgres), "root"),
            (Fault::FillDisk(Victim::Replica(0)), "nothing of that kind"),
            (Fault::SlowSync(Victim::Node(1)), "strace"),
            (Fault::Part(0, Parting::Whole), "nft"),
            (Fault::Part(1, Parting::Whole), "only replica-1"),
        ] {
            let missing = fault.missing(SHAPE).unwrap_or_default();
            assert!(missing.contains(said), "{fault:?}: {missing:?}");
        }
    }

    #[test]
    fn what_is_there_can_happen() {
        let shape = Shape { holders: 2, means: ALL, ..SHAPE };
        for fault in [
            Fault::Kill(Victim::Replica(1)),
            Fault::Pause(Victim::Sidecar),
            Fault::Kill(Victim::Balancer),
            Fault::Clock(Victim::Replica(1), -5),
            Fault::FillDisk(Victim::Node(2)),
            Fault::SlowSync(Victim::Postgres),
            Fault::Part(0, Parting::Lossy),
            Fault::HolderToNodes(1, Way::Twice),
            Fault::TakeConnections,
        ] {
            assert_eq!(fault.missing(shape), None, "{fault:?}");
        }
    }
}
