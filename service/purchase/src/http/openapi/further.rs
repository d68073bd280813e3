//! What can be asked for beside selling: reservations, what happens now, and what operators ask.

use leasehold_kit::{
    auth::Scope::{Admin, Buyer, Metrics},
    openapi::{
        Answer,
        Content::{Description, Either, Events, Json, Text},
        Operation,
    },
};

use super::operations::{A_PAGE, QUEUED, READING, answer};
use crate::http::code;

const OF_A_RESERVATION: &[(&str, &str, &str)] = &[
    ("readReservation", "id", "reservation_id"),
    ("confirm", "id", "reservation_id"),
    ("cancel", "id", "reservation_id"),
];

pub(super) const RESERVATIONS: &[Operation] = &[
    Operation {
        method: "post",
        path: "/v1/sales/{sale_id}/reservations",
        id: "reserve",
        tag: "Reservations",
        summary: "Reserve units of a sale, or wait for them",
        about: "A reservation holds its units until `expires_at`. With `wait`, one who gets none goes into the \
                waiting list, and is given a reservation in its turn. Who still waits when selling ends is \
                taken out: `cancelled`.",
        scope: Some(Buyer),
        query: &["Prefer"],
        body: Some("NewReservation"),
        answers: &[
            Answer {
                status: 201,
                about: "The reservation.",
                content: Json("ClaimReply"),
                links: OF_A_RESERVATION,
            },
            answer(
                202,
                "The place in the waiting list; or, as for a purchase, that the command is accepted.",
                Either(&["ClaimReply", "Command"]),
            ),
        ],
        codes: &[
            &code::NOT_FOUND,
            &code::SOLD_OUT,
            &code::NOT_OPEN,
            &code::CLOSED,
            &code::LIMIT_REACHED,
            &code::WAITING_LIST_FULL,
            &code::CONFLICT,
            &code::BUSY,
            &code::UNAVAILABLE,
        ],
    },
    Operation {
        method: "get",
        path: "/v1/reservations/{id}",
        id: "readReservation",
        tag: "Reservations",
        summary: "Read a reservation, or the place of one who waits",
        about: "",
        scope: Some(Buyer),
        query: &[],
        body: None,
        answers: &[answer(200, "The reservation.", Json("Claim"))],
        codes: READING,
    },
    Operation {
        method: "post",
        path: "/v1/reservations/{id}/confirm",
        id: "confirm",
        tag: "Reservations",
        summary: "Buy what is reserved",
        about: "With a payment also after the deadline: it is bought if the units are still there. If they are \
                not, its status becomes `paid_unfulfilled`, and the money is to go back.",
        scope: Some(Buyer),
        query: &["Prefer"],
        body: Some("Confirmation"),
        answers: &[answer(200, "The purchase, or what became of it.", Json("ClaimReply")), QUEUED],
        codes: &[
            &code::NOT_FOUND,
            &code::NOT_YOURS,
            &code::WRONG_STATUS,
            &code::WRONG_AMOUNT,
            &code::WRONG_CURRENCY,
            &code::CONFLICT,
            &code::BUSY,
            &code::UNAVAILABLE,
        ],
    },
    Operation {
        method: "post",
        path: "/v1/reservations/{id}/cancel",
        id: "cancel",
        tag: "Reservations",
        summary: "Give a reservation up, or leave the waiting list",
        about: "",
        scope: Some(Buyer),
        query: &["Prefer"],
        body: Some("Cancellation"),
        answers: &[answer(200, "What it was.", Json("ClaimReply")), QUEUED],
        codes: &[
            &code::NOT_FOUND,
            &code::NOT_YOURS,
            &code::WRONG_STATUS,
            &code::CONFLICT,
            &code::BUSY,
            &code::UNAVAILABLE,
        ],
    },
    Operation {
        method: "get",
        path: "/v1/sales/{sale_id}/waiting-list",
        id: "listWaiting",
        tag: "Reservations",
        summary: "List those who wait, in order",
        about: "",
        scope: Some(Admin),
        query: A_PAGE,
        body: None,
        answers: &[answer(200, "A page of those who wait.", Json("Claims"))],
        codes: READING,
    },
];

pub(super) const WATCHING: &[Operation] = &[Operation {
    method: "get",
    path: "/v1/live",
    id: "live",
    tag: "Watching",
    summary: "Watch sales and replicas",
    about: "Server-sent events: `snapshot`, about twice a second while anything changes, each with the whole \
            picture as JSON.",
    scope: None,
    query: &[],
    body: None,
    answers: &[answer(200, "The stream. It does not end.", Events)],
    codes: &[&code::BUSY],
}];

pub(super) const OPERATIONS: &[Operation] = &[
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
        summary: "Ask whether orders can be granted here",
        about: "Not draining, Postgres answers, and a quorum of lease nodes does.",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(200, "They can.", Text)],
        codes: &[&code::DRAINING, &code::UNAVAILABLE],
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
        answers: &[answer(200, "This replica's metrics.", Text)],
        codes: &[],
    },
];
