#!/bin/sh
# Makes the secrets that compose.yaml mounts, once:
#
#   deploy/make-secrets.sh
#
# It prints the API keys. That is the only time they are seen: what is kept is their SHA-256,
# which is all the service needs. Nothing is ever overwritten. For a further key, add a line to
# deploy/secrets/keys (`purchase keys` helps) in place, without a new file under the old name:
# the replicas look at it every few seconds, and take a line away as well.
set -eu

cd "$(dirname "$0")"
names='postgres_password database_url keys'

if [ -e secrets ]; then
    for name in $names; do
        if [ ! -s "secrets/$name" ]; then
            echo "deploy/secrets/ is there, but $name in it is missing or empty; nothing was changed" >&2
            exit 1
        fi
    done
    echo 'deploy/secrets/ is complete; nothing was changed'
    exit 0
fi

# 32 bytes from the system: 256 bits, and hex needs no escaping in a URL or a header.
random_hex() {
    head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'
}

sha256_hex() {
    if command -v sha256sum >/dev/null; then
        printf '%s' "$1" | sha256sum | cut -d ' ' -f 1
    else
        printf '%s' "$1" | shasum -a 256 | cut -d ' ' -f 1
    fi
}

# No newline is added: some readers keep it.
put() {
    if [ "${#2}" -lt 64 ]; then
        echo "could not make $1" >&2
        exit 1
    fi
    printf '%s' "$2" > "$new/$1"
    # Compose mounts the file as it is, and the containers' users are not ours, so the file
    # must be readable for all. The folder, which is never mounted, keeps others out.
    chmod 0444 "$new/$1"
}

# The folder gets its name last, so that an interrupted run leaves no half of a set.
umask 077
new=$(mktemp -d secrets.XXXXXX)
trap 'rm -rf "$new"' EXIT

password=$(random_hex)
# The prefix tells scanners and people which key leaked.
admin_key=lh_admin_$(random_hex)
buyer_key=lh_buyer_$(random_hex)
metrics_key=lh_metrics_$(random_hex)

put postgres_password "$password"
# Plain text, said aloud: the network between the two is internal to this host.
put database_url "postgres://leasehold:$password@postgres:5432/leasehold?sslmode=disable"
put keys "# name:scope:sha256[:until=2027-01-31T00:00:00Z], one a line
admin:admin:$(sha256_hex "$admin_key")
shop:buyer:$(sha256_hex "$buyer_key")
metrics:metrics:$(sha256_hex "$metrics_key")
"
# This one is edited.
chmod 0644 "$new/keys"

mv "$new" secrets
trap - EXIT

cat <<END
Made deploy/secrets/. Write the keys down: they are not kept anywhere.

  admin    $admin_key
  buyer    $buyer_key
  metrics  $metrics_key
END
