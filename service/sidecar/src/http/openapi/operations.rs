//! What can be asked for; streams and Dapr's routes have files of their own.

use leasehold_kit::{
    auth::Scope::{Admin, Holder, Metrics},
    openapi::{
        Answer,
        Content::{self, Description, Either, Json, Text},
        Operation,
    },
};

use super::{dapr::DAPR, streams::STREAMS};
use crate::http::code;

pub(super) const TAGS: &[(&str, &str)] = &[
    ("Leases", "Acquiring, renewing and giving back."),
    ("Streams", "Links, which keep leases, and elections."),
    ("Resources", "Who has what, and taking it away."),
    ("Operations", "For load balancers, operators and programs."),
    ("Dapr", "The lock routes that Dapr's clients know."),
];

pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    [LEASES, STREAMS, RESOURCES, OPERATIONS, DAPR].into_iter().flatten()
}

pub(super) const fn answer(status: u16, about: &'static str, content: Content) -> Answer {
    Answer { status, about, content, links: &[] }
}

/// What goes on from a lease.
const OF_A_LEASE: &[(&str, &str, &str)] = &[
    ("readLease", "id", "id"),
    ("renew", "id", "id"),
    ("release", "id", "id"),
    ("readResource", "name", "resource"),
    ("evict", "name", "resource"),
];

const LEASES: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/leases",
        id: "listLeases",
        tag: "Leases",
        summary: "List what you hold here",
        about: "Of this API key, in the order of ids.",
        scope: Some(Holder),
        query: &["Limit", "After"],
        body: None,
        answers: &[answer(200, "A page of leases.", Json("Page"))],
        codes: &[],
    },
    Operation {
        method: "post",
        path: "/v1/leases",
        id: "acquire",
        tag: "Leases",
        summary: "Acquire a lease, several at once, or a slot",
        about: "Waits for up to `wait_ms`. When the connection breaks meanwhile, nothing is held; when it breaks \
                after that, the lease is given back after `ttl_ms`, or repeat the request with its \
                `request_id`.",
        scope: Some(Holder),
        query: &[],
        body: Some("Acquire"),
        answers: &[
            Answer {
                status: 200,
                about: "What an earlier request with this `request_id` got, renewed.",
                content: Either(&["Lease", "Leases"]),
                links: OF_A_LEASE,
            },
            Answer {
                status: 201,
                about: "The lease; of several resources or every slot, the leases.",
                content: Either(&["Lease", "Leases"]),
                links: OF_A_LEASE,
            },
        ],
        codes: &[
            &code::NOT_FOUND,
            &code::HELD,
            &code::LINK_BROKEN,
            &code::STILL_ASKED,
            &code::REQUEST_ID_REUSED,
            &code::FULL,
            &code::UNAVAILABLE,
            &code::DRAINING,
            &code::WAIT_OVER,
        ],
    },
    Operation {
        method: "get",
        path: "/v1/leases/{id}",
        id: "readLease",
        tag: "Leases",
        summary: "Read a lease as it stands",
        about: "It is not renewed by that.",
        scope: Some(Holder),
        query: &[],
        body: None,
        answers: &[answer(200, "The lease.", Json("Lease"))],
        codes: &[&code::NOT_FOUND, &code::LEASE_OVER],
    },
    Operation {
        method: "delete",
        path: "/v1/leases/{id}",
        id: "release",
        tag: "Leases",
        summary: "Give a lease back",
        about: "A second time it is not held, and that is no error.",
        scope: Some(Holder),
        query: &[],
        body: None,
        answers: &[answer(200, "What it came to.", Json("Released"))],
        codes: &[],
    },
    Operation {
        method: "post",
        path: "/v1/leases/{id}/renew",
        id: "renew",
        tag: "Leases",
        summary: "Renew a lease",
        about: "It lasts for `ttl_ms` from now on, or as long as it did before. The nodes are \
                not asked: `valid_for_ms` counts from when they last confirmed the lease.",
        scope: Some(Holder),
        query: &[],
        body: Some("Renew"),
        answers: &[answer(200, "The lease, renewed.", Json("Lease"))],
        codes: &[&code::NOT_FOUND, &code::LEASE_OVER],
    },
    Operation {
        method: "post",
        path: "/v1/leases/{id}/attach",
        id: "attach",
        tag: "Leases",
        summary: "Take a lease over after a restart of the sidecar",
        about: "With the same API key, and what the sidecar before this one answered. A lease that is held here \
                is renewed.",
        scope: Some(Holder),
        query: &[],
        body: Some("Attach"),
        answers: &[answer(200, "The lease, held here.", Json("Lease"))],
        codes: &[
            &code::NOT_FOUND,
            &code::HELD,
            &code::NOT_HELD,
            &code::LINK_BROKEN,
            &code::LEASE_OVER,
            &code::FULL,
            &code::DRAINING,
            &code::OUTCOME_UNKNOWN,
        ],
    },
];

const RESOURCES: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/resources/{name}",
        id: "readResource",
        tag: "Resources",
        summary: "Ask who has a resource",
        about: "",
        scope: Some(Holder),
        query: &[],
        body: None,
        answers: &[answer(200, "What the nodes say.", Json("Resource"))],
        codes: &[],
    },
    Operation {
        method: "delete",
        path: "/v1/resources/{name}",
        id: "evict",
        tag: "Resources",
        summary: "Take a lease away from whoever has it",
        about: "Its holder learns of it when it renews, and may act until then unless the protected store \
                refuses it: show the store `newer_token`. A sidecar without keys refuses this.",
        scope: Some(Admin),
        query: &[],
        body: None,
        answers: &[answer(200, "What it came to.", Json("Evicted"))],
        codes: &[&code::FOREIGN, &code::OUTCOME_UNKNOWN],
    },
];

const OPERATIONS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/openapi.json",
        id: "readDescription",
        tag: "Operations",
        summary: "Read this description",
        about: "",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(200, "OpenAPI 3.1.", Description)],
        codes: &[],
    },
    Operation {
        method: "get",
        path: "/livez",
        id: "isAlive",
        tag: "Operations",
        summary: "Ask whether the process answers",
        about: "It says nothing about the servers behind it.",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(200, "It does.", Text)],
        codes: &[],
    },
    Operation {
        method: "get",
        path: "/readyz",
        id: "isReady",
        tag: "Operations",
        summary: "Ask whether leases can be had here",
        about: "Not draining, and a quorum of lease nodes answers.",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(200, "They can.", Text)],
        codes: &[&code::UNAVAILABLE, &code::DRAINING],
    },
    Operation {
        method: "get",
        path: "/metrics",
        id: "readMetrics",
        tag: "Operations",
        summary: "Read metrics",
        about: "Prometheus' text format.",
        scope: Some(Metrics),
        query: &[],
        body: None,
        answers: &[answer(200, "This sidecar's metrics.", Text)],
        codes: &[],
    },
];
