#!/bin/sh
# Makes the secrets that compose.yaml mounts, once:
#
#   deploy/make-secrets.sh
#
# It prints the two API keys. That is the only time they are seen: what is kept is their
# SHA-256, which is all the service needs. Nothing is ever overwritten. For new keys, stop
# the stack and move deploy/secrets/ away; keep postgres_password and database_url from it,
# for Postgres takes its password only when it makes its (empty) data folder.
set -eu

cd "$(dirname "$0")"
names='postgres_password database_url admin_key_sha256 buyer_key_sha256'

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

# No newline at the end: some readers keep it.
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

put postgres_password "$password"
# Plain text, said aloud: the network between the two is internal to this host.
put database_url "postgres://leasehold:$password@postgres:5432/leasehold?sslmode=disable"
put admin_key_sha256 "$(sha256_hex "$admin_key")"
put buyer_key_sha256 "$(sha256_hex "$buyer_key")"

mv "$new" secrets
trap - EXIT

cat <<END
Made deploy/secrets/. Write the keys down: they are not kept anywhere.

  admin  $admin_key
  buyer  $buyer_key
END
