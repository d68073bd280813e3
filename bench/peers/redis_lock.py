"""redis-py's asyncio Lock as a contestant (bench/src/peers.rs says how it is asked). Arguments: the folder
with the package, and `lease` or `contend`. It knows one node."""

import asyncio
import json
import os
import sys
import time
from collections import Counter

sys.path.insert(0, sys.argv[1])

from redis.asyncio import Redis  # noqa: E402
from redis.asyncio.lock import Lock  # noqa: E402

QUESTION = sys.argv[2]
TTL = 10

order = json.loads(sys.stdin.readline())


def say(what):
    print(what if isinstance(what, str) else json.dumps(what), flush=True)


def micros(seconds):
    return max(1, round(seconds * 1e6))


async def lease(client, tasks, span):
    """Without contention: one try, as there is nobody to wait for."""
    begun = time.perf_counter()
    times = Counter()

    async def one(task):
        name = f"bench/redis-py/{task}"
        while time.perf_counter() - begun < span:
            asked = time.perf_counter()
            lock = Lock(client, name, timeout=TTL)
            if not await lock.acquire(blocking=False):
                raise RuntimeError("a lock that nobody has was refused")
            await lock.release()
            times[micros(time.perf_counter() - asked)] += 1

    await asyncio.gather(*(one(task) for task in range(tasks)))
    took = micros(time.perf_counter() - begun)
    return {"pairs": times.total(), "micros": took, "times": list(times.items())}


async def contend(client):
    """With its defaults: a try every 100 ms."""
    plan, witness = order["plan"], order["witness"] + ".inside"
    span, section = (plan[key]["secs"] + plan[key]["nanos"] / 1e9 for key in ("span", "section"))
    begun = time.perf_counter()
    waits = Counter()
    sections = [0] * plan["tasks"]
    sums = {"acquired": 0, "overlaps": 0, "held": 0.0}

    def enter():
        # A file that only one can make: it shows those of other processes, too.
        try:
            os.close(os.open(witness, os.O_CREAT | os.O_EXCL))
            return True
        except FileExistsError:
            sums["overlaps"] += 1
            return False

    async def one(task):
        while True:
            asked = time.perf_counter()
            lock = Lock(client, plan["resource"], timeout=TTL)
            await lock.acquire()
            entered = time.perf_counter()
            alone = enter()
            sums["acquired"] += 1
            waits[micros(entered - asked)] += 1
            if section > 0 and entered - begun < span:
                await asyncio.sleep(section)
            if alone:
                os.unlink(witness)
            left = time.perf_counter()
            sums["held"] += max(0.0, min(left - begun, span) - (entered - begun))
            sections[task] += left - begun <= span
            await lock.release()
            if left - begun >= span:
                return

    await asyncio.gather(*(one(task) for task in range(plan["tasks"])))
    held = {"secs": int(sums["held"]), "nanos": int(sums["held"] % 1 * 1e9)}
    return {**sums, "held": held, "sections": sections, "waits": list(waits.items())}


async def main():
    # A connection for each task; by default there are fewer than tasks, and an error for the rest.
    client = Redis.from_url(order["urls"][0], max_connections=2048)
    await client.ping()
    say("ready")
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        if QUESTION == "contend":
            say(await contend(client))
            break
        tasks, span = map(int, line.split())
        say(await lease(client, tasks, span / 1000))
    await client.aclose()


asyncio.run(main())
