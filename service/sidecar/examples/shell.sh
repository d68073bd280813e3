#!/bin/sh
# A fenced write under a lease, and one that comes too late. Any POSIX shell, curl and psql.
#
#   psql "$DATABASE_URL" -f lock/src/fence/schema.sql -c "create table example_counter as select 0 as n"
#   LEASEHOLD_URL=http://127.0.0.1:3501 DATABASE_URL=postgres://… sh service/sidecar/examples/shell.sh
set -eu

sidecar=${LEASEHOLD_URL:-http://127.0.0.1:3501}
resource=example/shell
folder=$(mktemp -d)
trap 'rm -rf "$folder"; kill "$link_pid" 2>/dev/null || true' EXIT

# ask METHOD PATH [BODY]; anything but success ends the script with the sidecar's reason.
ask() {
  curl -sS --fail-with-body -X "$1" "$sidecar$2" -H 'content-type: application/json' ${3:+-d "$3"}
}

# field NAME, of the flat JSON on stdin; `jq -r .NAME` where there is jq.
field() {
  sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'
}

# count LEASE: prints the new number, or fails with what the database says.
count() {
  psql "$DATABASE_URL" -XAqt -v ON_ERROR_STOP=1 -v VERBOSITY=verbose --single-transaction \
    -v resource="$(echo "$1" | field resource)" \
    -v token="$(echo "$1" | field token)" \
    -v holder="$(echo "$1" | field holder)" <<'SQL'
-- First of all, since it locks the resource's row: whoever holds an older lease is refused from here on,
-- and whoever holds a newer one makes this statement fail.
select leasehold_claim(:'resource', :'token', :'holder') \g /dev/null
update example_counter set n = n + 1 returning n;
SQL
}

# As long as this answer is open the sidecar knows that we live, and renews what is bound to it. The pipe
# ends curl when this script is gone, however it went, so that others need not wait for ever.
mkfifo "$folder/link"
curl -sSN "$sidecar/v1/link" >"$folder/link" &
link_pid=$!
exec 3<"$folder/link"
link=
while [ -z "$link" ]; do
  read -r line <&3 || { echo "no link" >&2; exit 1; }
  link=$(echo "$line" | field link)
done

lease=$(ask POST /v1/leases '{"resource":"'$resource'","link":"'"$link"'","wait_ms":10000}')
echo "counted to $(count "$lease") with token $(echo "$lease" | field token)"
ended=$(ask DELETE "/v1/leases/$(echo "$lease" | field id)")
echo "$ended" | field outcome

# Without a link a lease lasts for its ttl. A script that is paused does not see that it is over.
late=$(ask POST /v1/leases '{"resource":"'$resource'","ttl_ms":300}')
# Meanwhile another one waits for it, gets it, and writes.
other=$(ask POST /v1/leases '{"resource":"'$resource'","wait_ms":30000}')
echo "another counted to $(count "$other") with token $(echo "$other" | field token)"
# The first one goes on where it was, and still believes in its lease. Only the database knows better.
if number=$(count "$late" 2>"$folder/why"); then
  echo "the late one counted to $number"
elif grep -q LH001 "$folder/why"; then
  echo "the late one is refused: $(sed -n 's/.*LH001: //p' "$folder/why")"
else
  cat "$folder/why" >&2
  exit 1
fi
ask DELETE "/v1/leases/$(echo "$other" | field id)" >/dev/null
