"""redis-py's Lock, as its users call it. Arguments: the folder with the package, and the address of
the one node.

Speaks the lines of the interop tests (hazards/interop/program.rs): a request on stdin, one answer on
stdout. Ends with its stdin, so that nothing is left behind when a test is killed.
"""

import sys

sys.path.insert(0, sys.argv[1])

import redis  # noqa: E402
from redis.exceptions import LockNotOwnedError  # noqa: E402
from redis.lock import Lock  # noqa: E402

client = redis.Redis.from_url(sys.argv[2])
lock = None


def acquire(name, ttl_ms):
    global lock
    # Without a timeout, which is the default, its key never expires.
    timeout = None if ttl_ms == "forever" else int(ttl_ms) / 1000
    wanted = Lock(client, name, timeout=timeout)
    if not wanted.acquire(blocking=False):
        return "held"
    lock = wanted
    return "granted"


def extend(ttl_ms):
    try:
        # Unless told to replace it, it adds to what is left.
        lock.extend(int(ttl_ms) / 1000, replace_ttl=True)
    except LockNotOwnedError:
        return "lost"
    return "extended"


def release():
    try:
        lock.release()
    except LockNotOwnedError:
        return "lost"
    return "released"


verbs = {"acquire": acquire, "extend": extend, "release": release}
print("ready", flush=True)
for line in sys.stdin:
    verb, *words = line.split()
    try:
        answer = verbs[verb](*words)
    except Exception as error:
        answer = f"error {error!r}"
    print(answer, flush=True)
