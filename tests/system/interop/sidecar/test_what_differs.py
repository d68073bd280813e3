"""What redis-py's own tests cannot see of the sidecar's locks, since they look at one server's key: a lock's
time, waiting, and what becomes of a lock without a timeout.
"""

import os
import subprocess
import sys
import threading
import time

import pytest
from redis.exceptions import LockError
from redis_py_lock import Lock, ask

LONG = 60


@pytest.fixture
def name(request):
    return "differs/" + request.node.name


def looked_at(lock):
    status, view = ask("GET", "/v1/leases/" + lock.local.lease["id"])
    assert status == 200
    return view


def test_a_timeout_is_the_leases_own(name):
    lock = Lock(None, name, timeout=9.5)
    assert lock.acquire()
    assert looked_at(lock)["ttl_ms"] == 9500
    assert 0 < looked_at(lock)["expires_in_ms"] <= 9500
    lock.release()


def test_an_extension_adds_or_replaces(name):
    lock = Lock(None, name, timeout=LONG)
    assert lock.acquire()
    assert lock.extend(LONG)
    assert LONG * 1000 < looked_at(lock)["ttl_ms"] <= 2 * LONG * 1000
    assert lock.extend(30.5, replace_ttl=True)
    assert looked_at(lock)["ttl_ms"] == 30_500
    assert lock.reacquire()
    assert looked_at(lock)["ttl_ms"] == LONG * 1000
    lock.release()


def test_a_wait_ends_at_its_end_and_not_before(name):
    holder = Lock(None, name)
    assert holder.acquire()
    begun = time.monotonic()
    assert not Lock(None, name, blocking_timeout=0.4).acquire()
    assert time.monotonic() - begun >= 0.4
    holder.release()


def test_who_waits_is_woken(name):
    holder, waiting = Lock(None, name, thread_local=False), Lock(None, name, sleep=10 * LONG)
    assert holder.acquire()
    # A sleep between two tries would be longer than the test may take.
    threading.Timer(0.2, holder.release).start()
    assert waiting.acquire(blocking_timeout=LONG)
    waiting.release()


def test_without_a_timeout_a_lock_lasts_as_long_as_its_process(name):
    program = "import os, sys, redis_py_lock as l; l.Lock(None, sys.argv[1]).acquire(); os.kill(os.getpid(), 9)"
    holder = subprocess.run([sys.executable, "-c", program, name], env=os.environ, timeout=LONG)
    assert holder.returncode == -9
    lock = Lock(None, name)
    assert lock.acquire(blocking_timeout=LONG)
    assert looked_at(lock)["expires_in_ms"] is None
    lock.release()


def test_a_token_that_is_given_stays_here(name):
    lock = Lock(None, name)
    assert lock.acquire(token="mine")
    assert lock.local.token == b"mine"
    assert lock.owned()
    lock.release()


@pytest.mark.parametrize("thread_local", [True, False])
def test_another_thread_has_it_unless_it_is_thread_local(name, thread_local):
    lock = Lock(None, name, thread_local=thread_local)
    assert lock.acquire()
    raised = []

    def release():
        try:
            lock.release()
        except LockError as error:
            raised.append(error)

    thread = threading.Thread(target=release)
    thread.start()
    thread.join()
    assert bool(raised) == thread_local
    assert lock.owned() == thread_local
    if thread_local:
        lock.release()


def test_the_fence_grows(name):
    lock = Lock(None, name)
    with lock:
        resource, first, holder = lock.fence
        assert (resource, holder) == (name, lock.local.token.decode())
    with lock:
        assert lock.fence[1] > first


def test_a_forked_child_has_a_link_of_its_own(name):
    ours, theirs = Lock(None, name + "/ours"), Lock(None, name + "/theirs")
    assert ours.acquire()
    child = os.fork()
    if child == 0:
        took = theirs.acquire()
        # Without the clean-up of a test run that is its parent's.
        os._exit(0 if took else 1)
    assert os.waitpid(child, 0)[1] == 0
    # The child's end ended what was the child's, and nothing else.
    assert theirs.acquire(blocking_timeout=LONG)
    assert ours.owned()
    theirs.release()
    ours.release()
