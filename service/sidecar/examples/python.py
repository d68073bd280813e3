"""A fenced write under a lease, and one that comes too late. Python 3.9 or later and psycopg 3.

    psql "$DATABASE_URL" -f lock/src/fence/schema.sql -c "create table example_counter as select 0 as n"
    LEASEHOLD_URL=http://127.0.0.1:3501 DATABASE_URL=postgres://… python3 service/sidecar/examples/python.py
"""

import json
import os
from urllib.request import Request, urlopen

import psycopg

SIDECAR = os.environ.get("LEASEHOLD_URL", "http://127.0.0.1:3501")
DATABASE = os.environ["DATABASE_URL"]
RESOURCE = "example/python"


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = Request(SIDECAR + path, data, {"content-type": "application/json"}, method=method)
    # Longer than any `wait_ms` below: the sidecar says when a wait is over. An answer that is no success is
    # raised as an HTTPError, whose body has a stable `code`.
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def open_link():
    # As long as this answer is open the sidecar knows that we live, and renews what is bound to it. If we
    # die, the connection closes and others need not wait.
    stream = urlopen(SIDECAR + "/v1/link", timeout=60)
    for line in stream:
        if line.startswith(b"data: "):
            # A program that runs for long reads on: an event `lost` names a lease that it has no more.
            return stream, json.loads(line[len(b"data: "):])["link"]
    raise ConnectionError("the sidecar closed the link")


def count(lease):
    # One transaction: left with an exception it is rolled back.
    with psycopg.connect(DATABASE) as connection:
        # First of all, since it locks the resource's row: whoever holds an older lease is refused from
        # here on, and whoever holds a newer one makes this statement fail.
        stamp = (lease["resource"], int(lease["token"]), lease["holder"])
        connection.execute("select leasehold_claim(%s, %s, %s)", stamp)
        row = connection.execute("update example_counter set n = n + 1 returning n").fetchone()
        return row[0]


stream, link = open_link()
lease = ask("POST", "/v1/leases", {"resource": RESOURCE, "link": link, "wait_ms": 10_000})
print(f"counted to {count(lease)} with token {lease['token']}")
print(ask("DELETE", f"/v1/leases/{lease['id']}")["outcome"])
stream.close()

# Without a link a lease lasts for its ttl. A program that is paused does not see that it is over.
late = ask("POST", "/v1/leases", {"resource": RESOURCE, "ttl_ms": 300})
# Meanwhile another one waits for it, gets it, and writes.
other = ask("POST", "/v1/leases", {"resource": RESOURCE, "wait_ms": 30_000})
print(f"another counted to {count(other)} with token {other['token']}")
# The first one goes on where it was, and still believes in its lease. Only the database knows better.
try:
    print(f"the late one counted to {count(late)}")
except psycopg.Error as error:
    if error.sqlstate != "LH001":
        raise
    print(f"the late one is refused: {error.diag.message_primary}")
ask("DELETE", f"/v1/leases/{other['id']}")
