//! The stable codes of problems: the one table of them. Answers are made from it, the API's
//! description lists it, and `docs/errors.md` is written from it.

leasehold_kit::codes! {
    INVALID_REQUEST
        "a header, path, query or body cannot be read, or a field is outside its limits"
        "ttl_ms must be 100 to 86400000"
    UNAUTHORIZED
        "no API key, an unknown one, or one that has expired"
        "the API key is not known"
    FORBIDDEN
        "the API key does not allow this, or not for this resource"
        "the API key does not allow this"
    WEB_PAGE = "web_page" FORBIDDEN
        "the request has an `Origin` or `Sec-Fetch-Site`: a page in a browser sent it, and without keys those are not let in"
        "pages in a browser are not let in without an API key"
    NOT_FOUND
        "no such route, lease or link"
        "this client has no such lease"
    METHOD_NOT_ALLOWED
        "the route knows other methods; `Allow` lists them"
        "the route knows other methods"
    BODY_TIMEOUT
        "the body did not come in time"
        "the body did not come within 10s"
    HELD = "held" CONFLICT
        "another holder has it; try again after `Retry-After`, or give `wait_ms`"
        "lease orders/42 is held"
    NOT_HELD = "not_held" CONFLICT
        "the nodes say that the lease is not held any more, so it cannot be attached"
        "lease orders/42 is not held any more"
    FOREIGN = "foreign" CONFLICT
        "a lock of another library is there, which this one does not take away"
        "the lock on orders/42 is another library's"
    LINK_BROKEN = "link_broken" CONFLICT
        "the link broke while the lease was waited for; nothing is held"
        "the link broke while the lease was waited for"
    STILL_ASKED = "still_asked" CONFLICT
        "an earlier request with the same `request_id` still waits"
        "an earlier request with this request id still waits for the lease"
    LEASE_OVER = "lease_over" GONE
        "the lease has ended; the detail says why"
        "the lease is over: its ttl passed without a renewal"
    BODY_TOO_LARGE
        "the body is larger than the limit"
        "a body has at most 16384 bytes"
    UNSUPPORTED_MEDIA_TYPE
        "the body is not `application/json`"
        "send the body as application/json"
    MISDIRECTED = "misdirected" MISDIRECTED_REQUEST
        "the request's `Host` is not this machine, and there are no keys"
        "the Host evil.example is not this machine"
    REQUEST_ID_REUSED = "request_id_reused" UNPROCESSABLE_ENTITY
        "the `request_id` was used for something else, which is still held or asked for"
        "the request id was used for something else"
    RATE_LIMITED
        "the API key asks too often; nothing happened, try again after `Retry-After`"
        "this API key asks too often; nothing happened"
    INTERNAL
        "a fault of ours; the log has the rest, under the answer's `x-request-id`"
        "a fault of ours"
    FULL = "full" SERVICE_UNAVAILABLE
        "the sidecar holds as many leases or links as it may; nothing is held"
        "this sidecar holds 20000 leases, as many as it may"
    OVERLOADED
        "too many requests are under way; nothing happened, try again after `Retry-After`"
        "too many requests are under way"
    UNAVAILABLE
        "no quorum of lease nodes answers; nothing is held, try again after `Retry-After`"
        "lease orders/42 is unavailable: 1 of 2 needed nodes granted, 2 did not vote"
    DRAINING
        "the sidecar is about to stop"
        "this sidecar is about to stop"
    WAIT_OVER = "wait_over" GATEWAY_TIMEOUT
        "others held it until `wait_ms` was over; nothing is held"
        "lease orders/42 was not acquired within 5s and 3 attempts"
    OUTCOME_UNKNOWN = "outcome_unknown" GATEWAY_TIMEOUT
        "too few nodes answered to know; what they may hold ends after its lifetime"
        "too few nodes answered to know whether the lease is still held"
}

/// The table as Markdown: `docs/errors.md`.
pub(super) fn table() -> String {
    let about = "# Error codes\n\n\
        <!-- Written by `lease-sidecar openapi --codes`: change src/http/code.rs, not this file. -->\n\n\
        Errors are `application/problem+json`: `title`, `status`, `code` and `detail`. Programs branch on the\n\
        code, which is stable; the detail is for people. What is not HTTP, or has a head that is too large, gets\n\
        400 or 431 without a body. Dapr's routes answer as Dapr does.\n\n";
    leasehold_kit::code::table(about, ALL)
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
            "cargo run -p leasehold-sidecar -- openapi --codes > service/sidecar/docs/errors.md";
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
