//! What can be followed: links, and elections.

use leasehold_kit::{
    auth::Scope::Holder,
    openapi::{
        Answer,
        Content::Stream,
        Event, Operation,
        schema::{object, one_of},
    },
};
use serde_json::{Value, json};

use super::{
    requests::{id, name, token},
    views::{secret, stamp},
};
use crate::http::code;

const LINK: &[Event] = &[
    Event { name: "link", about: "The first: how the link is called.", schema: "LinkOpened" },
    Event {
        name: "lost",
        about: "A lease that was bound to it is over, and not because the program gave it back.",
        schema: "LinkLost",
    },
];

const ELECTION: &[Event] = &[
    Event { name: "standing", about: "The first: it stands for the office.", schema: "Standing" },
    Event { name: "elected", about: "It has the office.", schema: "Elected" },
    Event {
        name: "lost",
        about: "It has lost the office, and stands again.",
        schema: "OfficeLost",
    },
    Event {
        name: "failed",
        about: "However long it waits, it cannot be elected. The last event.",
        schema: "Problem",
    },
];

const ENDS: &str = "The stream. It ends when the sidecar stops.";

pub(super) const STREAMS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/link",
        id: "openLink",
        tag: "Streams",
        summary: "Open a link: the sign that a program lives",
        about: "Server-sent events: `link`, then `lost` for each lease that is lost. Name the link when you \
                acquire leases: they are renewed while the stream is open, and given back at once when it \
                breaks, which it does when the program dies. A quiet stream has a comment every 15 s.",
        scope: Some(Holder),
        query: &[],
        body: None,
        answers: &[Answer { status: 200, about: ENDS, content: Stream(LINK), links: &[] }],
        codes: &[&code::FULL, &code::DRAINING],
    },
    Operation {
        method: "get",
        path: "/v1/elections/{office}",
        id: "stand",
        tag: "Streams",
        summary: "Stand for an office, which one at a time has",
        about: "Server-sent events: `standing`, then `elected` and `lost` as often as that happens, and \
                `failed` when it cannot be. Act for the office between `elected` and `lost`, with its token; \
                the office is given back when the stream breaks. A quiet stream has a comment every 15 s.",
        scope: Some(Holder),
        query: &[],
        body: None,
        answers: &[Answer { status: 200, about: ENDS, content: Stream(ELECTION), links: &[] }],
        codes: &[&code::FULL, &code::DRAINING],
    },
];

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let detail = || ("detail", "Why, for people.", json!({ "type": "string" }));
    let why = || {
        let about = "`expired`: no renewal succeeded in time. `taken`: the nodes say it is another's. \
                     `lifetime_over`: it was renewed for as long as it may be.";
        ("why", about, one_of(["expired", "taken", "lifetime_over"]))
    };
    let of_link = vec![("link", "Its id: what leases are bound to it by.", id())];
    let of_lease = vec![("id", "The lease's id.", id())];
    let because = ("why", "`evicted`: an administrator took it away.", one_of(["lost", "evicted"]));
    let of_standing = vec![("resource", "The office.", name())];
    let of_loss = vec![("token", "The token it had.", token()), why(), detail()];
    vec![
        ("LinkOpened", object("An open link.", of_link, &[])),
        (
            "LinkLost",
            object(
                "A lease that is over.",
                [of_lease, stamp(), vec![because, detail()]].concat(),
                &[],
            ),
        ),
        ("Standing", object("A candidate.", of_standing, &[])),
        ("Elected", object("Whoever has the office.", [stamp(), vec![secret()]].concat(), &[])),
        ("OfficeLost", object("An office that is lost.", of_loss, &[])),
    ]
}
