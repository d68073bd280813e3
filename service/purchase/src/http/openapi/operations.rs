//! What can be asked for; what is not about sales and buying is in `further.rs`.

use leasehold_kit::{
    auth::Scope::{Admin, Buyer},
    code::Code,
    openapi::{
        Answer,
        Content::{self, Either, Json},
        Operation,
    },
};

use super::{
    further::{OPERATIONS, RESERVATIONS, WATCHING},
    webhooks,
};
use crate::http::code;

pub(super) const TAGS: &[(&str, &str)] = &[
    ("Sales", "What is sold, on which terms, and what happened to it."),
    ("Buying", "Buying at once, and giving back."),
    ("Reservations", "Reserving, waiting, and buying what is reserved."),
    ("Webhooks", "Telling others what happens."),
    ("Watching", "What happens now."),
    ("Operations", "For load balancers, operators and programs."),
];

pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    [SALES, BUYING, RESERVATIONS, webhooks::WEBHOOKS, WATCHING, OPERATIONS].into_iter().flatten()
}

pub(super) const fn answer(status: u16, about: &'static str, content: Content) -> Answer {
    Answer { status, about, content, links: &[] }
}

/// That a command stands in a queue.
pub(super) const QUEUED: Answer = Answer {
    status: 202,
    about: "Of a sale with the strategy `queue`, with `Prefer: respond-async` or when it took longer than is \
            waited: the command is accepted, and will be run. `Location` tells where to ask for what it comes to.",
    content: Json("Command"),
    links: &[],
};

/// Reading something that may not be there.
pub(super) const READING: &[&Code] = &[&code::NOT_FOUND, &code::UNAVAILABLE];

/// Reading a list, which may be empty.
const LISTING: &[&Code] = &[&code::UNAVAILABLE];

pub(super) const A_PAGE: &[&str] = &["Limit", "AfterNumber"];

/// What goes on from a sale.
const OF_A_SALE: &[(&str, &str, &str)] = &[
    ("readSale", "sale_id", "sale_id"),
    ("changeSale", "sale_id", "sale_id"),
    ("purchase", "sale_id", "sale_id"),
    ("reserve", "sale_id", "sale_id"),
    ("listEvents", "sale_id", "sale_id"),
];

const OF_A_PURCHASE: &[(&str, &str, &str)] =
    &[("readPurchase", "id", "purchase_id"), ("refund", "id", "purchase_id")];

const SALES: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/sales",
        id: "listSales",
        tag: "Sales",
        summary: "List sales, newest first",
        about: "",
        scope: None,
        query: &["Limit", "AfterSale"],
        body: None,
        answers: &[answer(200, "A page of sales.", Json("Sales"))],
        codes: LISTING,
    },
    Operation {
        method: "post",
        path: "/v1/sales",
        id: "createSale",
        tag: "Sales",
        summary: "Make a sale",
        about: "",
        scope: Some(Admin),
        query: &[],
        body: Some("NewSale"),
        answers: &[Answer {
            status: 201,
            about: "The sale.",
            content: Json("Sale"),
            links: OF_A_SALE,
        }],
        codes: &[&code::UNAVAILABLE],
    },
    Operation {
        method: "get",
        path: "/v1/sales/{sale_id}",
        id: "readSale",
        tag: "Sales",
        summary: "Read a sale as it stands",
        about: "",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(200, "The sale.", Json("Sale"))],
        codes: READING,
    },
    Operation {
        method: "patch",
        path: "/v1/sales/{sale_id}",
        id: "changeSale",
        tag: "Sales",
        summary: "Change a sale's terms, while it sells",
        about: "Price and currency never change.",
        scope: Some(Admin),
        query: &[],
        body: Some("SaleChange"),
        answers: &[answer(200, "The sale after the change.", Json("Sale"))],
        codes: &[
            &code::NOT_FOUND,
            &code::BELOW_SOLD,
            &code::VERSION_MISMATCH,
            &code::CONFLICT,
            &code::BUSY,
            &code::UNAVAILABLE,
        ],
    },
    Operation {
        method: "get",
        path: "/v1/sales/{sale_id}/events",
        id: "listEvents",
        tag: "Sales",
        summary: "Read what happened to a sale",
        about: "Oldest first, without a gap.",
        scope: Some(Admin),
        query: A_PAGE,
        body: None,
        answers: &[answer(200, "A page of the log.", Json("Events"))],
        codes: READING,
    },
    Operation {
        method: "get",
        path: "/v1/sales/{sale_id}/requests/{key}",
        id: "readReply",
        tag: "Sales",
        summary: "Read what a request was answered",
        about: "The stored answer to the request with this `Idempotency-Key`, with its status, as if the \
                request were repeated. 404 says that nothing has happened under this key so far.",
        scope: Some(Buyer),
        query: &[],
        body: None,
        answers: &[
            answer(
                200,
                "The answer to a change, confirmation, cancellation or refund.",
                Either(&["ClaimReply", "Sale"]),
            ),
            answer(
                201,
                "The answer to a purchase or reservation, or to the making of the sale.",
                Either(&["ClaimReply", "Sale"]),
            ),
            answer(202, "The answer to a reservation that waits.", Json("ClaimReply")),
        ],
        codes: READING,
    },
    Operation {
        method: "get",
        path: "/v1/sales/{sale_id}/commands/{id}",
        id: "readCommand",
        tag: "Sales",
        summary: "Read where a queued command stands",
        about: "",
        scope: Some(Buyer),
        query: &[],
        body: None,
        answers: &[answer(200, "The command, with its answer once it has run.", Json("Command"))],
        codes: READING,
    },
];

const BUYING: &[Operation] = &[
    Operation {
        method: "post",
        path: "/v1/sales/{sale_id}/purchases",
        id: "purchase",
        tag: "Buying",
        summary: "Buy units of a sale",
        about: "All units or none, unless `partial` says that fewer will do.",
        scope: Some(Buyer),
        query: &["Prefer"],
        body: Some("NewPurchase"),
        answers: &[
            Answer {
                status: 201,
                about: "The purchase.",
                content: Json("ClaimReply"),
                links: OF_A_PURCHASE,
            },
            QUEUED,
        ],
        codes: &[
            &code::NOT_FOUND,
            &code::SOLD_OUT,
            &code::NOT_OPEN,
            &code::CLOSED,
            &code::LIMIT_REACHED,
            &code::WRONG_AMOUNT,
            &code::WRONG_CURRENCY,
            &code::CONFLICT,
            &code::BUSY,
            &code::UNAVAILABLE,
        ],
    },
    Operation {
        method: "get",
        path: "/v1/purchases/{id}",
        id: "readPurchase",
        tag: "Buying",
        summary: "Read a purchase",
        about: "With the fencing token under which it was granted.",
        scope: Some(Buyer),
        query: &[],
        body: None,
        answers: &[answer(200, "The purchase.", Json("Claim"))],
        codes: READING,
    },
    Operation {
        method: "post",
        path: "/v1/purchases/{id}/refunds",
        id: "refund",
        tag: "Buying",
        summary: "Give units of a purchase back",
        about: "They can be had again at once, first by those who wait. Moves no money.",
        scope: Some(Admin),
        query: &["Prefer"],
        body: Some("Refund"),
        answers: &[answer(200, "The purchase after it.", Json("ClaimReply")), QUEUED],
        codes: &[
            &code::NOT_FOUND,
            &code::WRONG_STATUS,
            &code::REFUND_TOO_LARGE,
            &code::CONFLICT,
            &code::BUSY,
            &code::UNAVAILABLE,
        ],
    },
    Operation {
        method: "get",
        path: "/v1/sales/{sale_id}/claims",
        id: "listClaims",
        tag: "Buying",
        summary: "List what a buyer has and had in a sale",
        about: "Purchases, reservations and waiting-list entries.",
        scope: Some(Buyer),
        query: &["Buyer", "Limit", "AfterNumber"],
        body: None,
        answers: &[answer(200, "A page of claims.", Json("Claims"))],
        codes: READING,
    },
];
