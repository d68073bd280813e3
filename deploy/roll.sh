#!/bin/sh
# Replaces the running replicas by the image as it is now, without refusing a request:
#
#   docker compose build && deploy/roll.sh
#
# `docker compose up` alone stops all of them before it starts the first new one; for the
# seconds in between there is nobody to answer. Here the new ones come first.
set -eu

cd "$(dirname "$0")/.."
# The number of slots in the server-template of haproxy.cfg.
slots=10

old=$(docker compose ps --quiet api)
count=$(printf '%s' "$old" | grep -c . || true)
if [ "$count" -eq 0 ]; then
    echo 'no replica is running; use: docker compose up' >&2
    exit 1
fi
if [ $((2 * count)) -gt "$slots" ]; then
    echo "$count old and $count new replicas are more than the load balancer's $slots slots" >&2
    exit 1
fi

# Before any new replica starts, and so while the old ones run: a migration must leave a
# schema that both understand.
docker compose run --rm migrate
docker compose up --detach --no-deps --no-recreate --wait --scale "api=$((2 * count))" api
# Ready is not yet known: the load balancer has to hear the name and check it once.
sleep 3
# All at once, each after its drain. Unquoted, since they are several words.
# shellcheck disable=SC2086
docker stop $old
# shellcheck disable=SC2086
docker rm $old
