"""What tests/system/hazards/sidecar_fuzz.rs changes about the requests that schemathesis makes."""

import itertools
import os
import re

import schemathesis

# Longest wait that can be asked for, in milliseconds.
WAIT_MAX = 300_000

# A link that is open. What schemathesis makes up is none.
LINK = os.environ["SIDECAR_LINK"]

NUMBERS = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    """Changes what is right into what is useful; what is wrong stays as it is, to be refused."""
    body = case.body
    if not isinstance(body, dict):
        return
    # Nobody gives back what another request got: whoever waits for it waits for minutes, and is told 504,
    # which is taken for a fault.
    wait = body.get("wait_ms")
    if isinstance(wait, (int, float)) and not isinstance(wait, bool) and 0 < wait <= WAIT_MAX and wait % 1 == 0:
        body["wait_ms"] = 0
    # One in two: there must be links that are not there, too.
    link = body.get("link")
    if isinstance(link, str) and re.fullmatch("[0-7][0-9a-f]{31}", link):
        body["link"] = LINK
    # What comes from the examples is the same each time, and would be held or used by then: every other one
    # gets a number.
    number = next(NUMBERS)
    for field, given in [("resource", "orders/42"), ("request_id", "order-42-pay")]:
        if body.get(field) == given and number % 2:
            body[field] = f"{given}-{number}"
