//! The stable codes of problems: the one table of them. Answers are made from it, the API's
//! description lists it, and `docs/errors.md` is written from it.

leasehold_kit::codes! {
    INVALID_REQUEST
        "a header, path, query or body cannot be read, or a field is outside its limits"
        "quantity must be 1 to 1000"
    IDEMPOTENCY_KEY_MISSING = "idempotency_key_missing" BAD_REQUEST
        "a POST or PATCH without `Idempotency-Key`"
        "send an Idempotency-Key header: your own name for this request, new for every new intent"
    UNAUTHORIZED
        "no API key, an unknown one, or one that has expired"
        "the API key is not known"
    FORBIDDEN
        "the API key does not allow this"
        "the API key does not allow this"
    NOT_YOURS = "not_yours" FORBIDDEN
        "the reservation is another buyer's"
        "it belongs to another buyer"
    NOT_FOUND
        "no such route, sale, purchase, reservation or stored reply"
        "there is no such sale"
    METHOD_NOT_ALLOWED
        "the route knows other methods; `Allow` lists them"
        "the route knows other methods"
    BODY_TIMEOUT
        "the body did not come in time"
        "the body did not come within 10s"
    SOLD_OUT = "sold_out" CONFLICT
        "fewer units are left than were asked for"
        "only 2 left"
    NOT_OPEN = "not_open" CONFLICT
        "selling has not begun"
        "selling begins at 2030-01-31T20:00:00.000Z"
    CLOSED = "closed" CONFLICT
        "selling has ended"
        "selling has ended"
    LIMIT_REACHED = "limit_reached" CONFLICT
        "the buyer would have more than one buyer may"
        "one buyer may have 4, and this one has 3"
    TOO_MANY_WEBHOOKS = "too_many_webhooks" CONFLICT
        "as many webhooks as there may be"
        "there are 100 already; delete one first"
    WAITING_LIST_FULL = "waiting_list_full" CONFLICT
        "as many wait as may"
        "too many wait already"
    WRONG_STATUS = "wrong_status" CONFLICT
        "the reservation or purchase is in a status in which this cannot happen"
        "it is expired"
    REFUND_TOO_LARGE = "refund_too_large" CONFLICT
        "more units are to be given back than there are"
        "at most 2 units can be given back"
    BELOW_SOLD = "below_sold" CONFLICT
        "a capacity below what is sold and reserved"
        "70 units are sold and reserved already"
    VERSION_MISMATCH = "version_mismatch" CONFLICT
        "the sale is not at the `expected_version`; read it again and decide anew"
        "the sale is at version 7"
    CONFLICT = "conflict" CONFLICT
        "the sale changed whenever this was decided (of sales that grant without a lease); nothing happened, try again after `Retry-After`"
        "others were faster 64 times, the sale is at version 7; nothing happened"
    BODY_TOO_LARGE
        "the body is larger than the limit"
        "a body has at most 16384 bytes"
    UNSUPPORTED_MEDIA_TYPE
        "the body is not `application/json`"
        "send the body as application/json"
    WRONG_AMOUNT = "wrong_amount" UNPROCESSABLE_ENTITY
        "the payment is not the price"
        "the price is 5000 minor units"
    WRONG_CURRENCY = "wrong_currency" UNPROCESSABLE_ENTITY
        "the payment is in another currency than the sale"
        "the sale's currency is EUR"
    IDEMPOTENCY_KEY_REUSED = "idempotency_key_reused" UNPROCESSABLE_ENTITY
        "the key was used for another request"
        "the Idempotency-Key was used for another request; take a new one"
    RATE_LIMITED
        "the API key asks too often; nothing happened, try again after `Retry-After`"
        "this API key asks too often; nothing happened"
    INTERNAL
        "a fault of ours; the log has the rest, under the answer's `x-request-id`"
        "a fault of ours"
    BUSY = "busy" SERVICE_UNAVAILABLE
        "too many orders of this sale wait; nothing happened, try again after `Retry-After`"
        "too many requests are waiting; nothing happened"
    OVERLOADED
        "too many requests are under way; nothing happened, try again after `Retry-After`"
        "too many requests are under way"
    UNAVAILABLE
        "Postgres or the lease nodes do not answer; nothing happened, try again after `Retry-After`"
        "a server that is needed does not answer; nothing happened"
    DRAINING
        "the replica is about to stop; only `/readyz` says so"
        "this replica is about to stop"
    OUTCOME_UNKNOWN = "outcome_unknown" GATEWAY_TIMEOUT
        "it may have happened: ask again with the same key"
        "it may have happened; send the same request with the same Idempotency-Key to find out"
}

const ABOUT: &str = "\
# Error codes

<!-- Written by `purchase openapi --codes`: change src/http/code.rs, not this file. -->

Errors are `application/problem+json`: `title`, `status`, `code` and `detail`. Programs branch on the
code, which is stable; the detail is for people. Everything but `outcome_unknown` and `internal` says
that nothing happened. What is not HTTP, or has a head that is too large, gets 400 or 431 without a
body.

";

/// The table as Markdown: `docs/errors.md`.
pub(super) fn table() -> String {
    leasehold_kit::code::table(ABOUT, ALL)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use leasehold_kit::code::COMMON;

    use super::*;

    #[test]
    fn the_table_is_committed_as_it_is() {
        let committed = include_str!("../../docs/errors.md");
        let how =
            "cargo run -p leasehold-purchase -- openapi --codes > service/purchase/docs/errors.md";
        assert_eq!(
            committed,
            table(),
            "docs/errors.md is not what the code says; write it anew: {how}"
        );
    }

    #[test]
    fn names_are_unique_and_ordered_by_status() {
        let names: BTreeSet<&str> = ALL.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(ALL.is_sorted_by_key(|code| code.status));
    }

    #[test]
    fn what_the_kit_answers_is_in_the_table() {
        for common in COMMON {
            let status = ALL.iter().find(|code| code.name == common.name).map(|code| code.status);
            assert_eq!(status, Some(common.status), "{}", common.name);
        }
    }
}
