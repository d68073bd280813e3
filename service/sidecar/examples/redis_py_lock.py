"""redis-py's Lock, held through a sidecar: a quorum of nodes, tokens for a fence, renewal while it is used.

    lock = redis.Redis().lock("orders/42", lock_class=redis_py_lock.Lock)    # or Lock(None, "orders/42")
    with lock:
        write(lock.fence)    # resource, token, holder: what `leasehold_claim` takes

Without a timeout the lock lasts as long as this process instead of for ever. docs/redis-py.md says what
else is different. Environment: LEASEHOLD_URL (http://127.0.0.1:3501). Needs the package redis.
"""

import json
import logging
import os
import threading
import time
from http.client import HTTPConnection
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

from redis.exceptions import LockError, LockNotOwnedError

WAIT_MAX_S = 300  # The longest that one request may wait.


def connect(answers_within_s):
    url = urlsplit(os.environ.get("LEASEHOLD_URL", "http://127.0.0.1:3501"))
    return HTTPConnection(url.hostname, url.port, timeout=answers_within_s)


def ask(method, path, body=None, wait_s=0):
    """The status and the document that the sidecar answers with."""
    connection = connect(wait_s + 10)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.load(answer)
    finally:
        connection.close()


class Link:
    """Open for as long as this process lives: leases that are bound to it need no other sign of life."""

    def __init__(self):
        self.opening = threading.Lock()
        self.current = None

    def id(self):
        with self.opening:
            if self.current is None:
                stream = connect(30)
                stream.request("GET", "/v1/link")
                answer = stream.getresponse()
                fields = (line.partition(b": ") for line in answer)
                self.current = next(json.loads(v)["link"] for k, _, v in fields if k == b"data")
                threading.Thread(target=self.watch, args=(stream, answer), daemon=True).start()
            return self.current

    def watch(self, stream, answer):
        try:
            for _ in answer:  # A comment every 15 s shows that it stands.
                pass
        except OSError:
            pass
        with self.opening:
            self.current = None  # What it kept is lost; whoever acquires next opens another one.
        stream.close()


LINK = Link()
# A child is a program of its own, with a link of its own.
os.register_at_fork(after_in_child=LINK.__init__)


class ThreadLocal(threading.local):
    token = lease = None


class Lock:
    def __init__(self, redis, name, timeout=None, sleep=0.1, blocking=True, blocking_timeout=None,
                 thread_local=True, raise_on_release_error=True):
        self.redis, self.name, self.timeout = redis, name, timeout
        self.sleep = sleep  # Not used: the sidecar wakes who waits.
        self.blocking, self.blocking_timeout = blocking, blocking_timeout
        self.thread_local = bool(thread_local)
        self.raise_on_release_error = raise_on_release_error
        self.local = ThreadLocal() if thread_local else SimpleNamespace(token=None, lease=None)

    @property
    def fence(self):
        lease = self.local.lease
        return lease["resource"], int(lease["token"]), lease["holder"]

    def acquire(self, sleep=None, blocking=None, blocking_timeout=None, token=None):
        blocking = self.blocking if blocking is None else blocking
        limit = self.blocking_timeout if blocking_timeout is None else blocking_timeout
        wanted = {"resource": self.name}
        if self.timeout:
            wanted["ttl_ms"] = int(self.timeout * 1000)
        deadline = None if limit is None else time.monotonic() + limit
        while True:
            left = WAIT_MAX_S if deadline is None else max(0, deadline - time.monotonic())
            wait = min(left, WAIT_MAX_S) if blocking else 0
            link = {} if self.timeout else {"link": LINK.id()}
            body = {**wanted, **link, "wait_ms": int(wait * 1000)}
            status, said = ask("POST", "/v1/leases", body, wait)
            if status == 201:
                self.local.lease = said
                given = token.encode() if isinstance(token, str) else token
                self.local.token = given or said["holder"].encode()
                return True
            if said["code"] not in ("held", "wait_over"):
                raise LockError(said["detail"], lock_name=self.name)
            if not blocking or (deadline is not None and time.monotonic() >= deadline):
                return False

    def _resource(self):
        _, said = ask("GET", "/v1/resources/" + quote(self.name, safe=""))
        if said.get("state") in (None, "unknown"):
            raise LockError(said.get("detail", "too few nodes answer"), lock_name=self.name)
        return said

    def locked(self):
        return self._resource()["state"] != "free"

    def owned(self):
        lease = self.local.lease
        return lease is not None and self._resource()["token"] == lease["token"]

    def release(self):
        lease = self._held("release")
        self.local.token = self.local.lease = None
        _, said = ask("DELETE", "/v1/leases/" + lease["id"])
        if said.get("outcome") == "not_held":
            raise LockNotOwnedError("it is not held any more", lock_name=self.name)
        if said.get("outcome") != "released":
            raise LockError("it is not known whether it was given back", lock_name=self.name)

    def extend(self, additional_time, replace_ttl=False):
        left = 0 if replace_ttl else self._asked("GET", self._timed("extend"))["expires_in_ms"]
        return self._renew(left + int(additional_time * 1000), "extend")

    def reacquire(self):
        self._timed("reacquire")
        return self._renew(int(self.timeout * 1000), "reacquire")

    def _renew(self, ttl_ms, verb):
        self.local.lease = self._asked("POST", self._timed(verb), "/renew", {"ttl_ms": ttl_ms})
        # The sidecar knows of a loss after its own next renewal; the nodes know at once.
        if not self.owned():
            raise LockNotOwnedError("it is not held any more", lock_name=self.name)
        return True

    def _held(self, verb):
        if self.local.lease is None:
            raise LockError(f"cannot {verb} what is not held", lock_name=self.name)
        return self.local.lease

    def _timed(self, verb):
        lease = self._held(verb)
        if self.timeout is None:
            raise LockError(f"cannot {verb} a lock without a timeout", lock_name=self.name)
        return lease

    def _asked(self, method, lease, what="", body=None):
        status, said = ask(method, "/v1/leases/" + lease["id"] + what, body)
        if status in (404, 410):
            raise LockNotOwnedError(said["detail"], lock_name=self.name)
        if status != 200:
            raise LockError(said["detail"], lock_name=self.name)
        return said

    def __enter__(self):
        if not self.acquire():
            raise LockError("another holder had it all the time", lock_name=self.name)
        return self

    def __exit__(self, *_raised):
        try:
            self.release()
        except LockError as error:
            if self.raise_on_release_error:
                raise
            logging.getLogger(__name__).warning("%s: %s", self.name, error)
