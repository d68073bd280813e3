"""Puts the sidecar's locks (service/sidecar/examples/redis_py_lock.py) under redis-py's own tests.

A plugin of pytest, so that it comes before the tests' imports.
"""

import redis
import redis.client
import redis.lock
from redis_py_lock import Lock, ask

redis.lock.Lock = redis.client.Lock = Lock


def forget_the_locks(self, **_options):
    """What the tests do to their server after each case, to one that others' leases depend on.

    All of its memory is more than the locks: a node that lost it stays out of the vote for a while.
    """
    _, page = ask("GET", "/v1/leases")
    for lease in page["leases"]:
        ask("DELETE", "/v1/leases/" + lease["id"])
    for key in self.scan_iter():
        if not key.startswith("leasehold:" if isinstance(key, str) else b"leasehold:"):
            self.delete(key)


redis.client.Redis.flushdb = forget_the_locks
