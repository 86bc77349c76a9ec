#!/bin/bash
# Makes the database cluster on its first start from POSTGRES_* and /docker-entrypoint-initdb.d, then runs the server.
set -euo pipefail

# NAME, or the contents of the file that NAME_FILE names.
setting() {
    local file="${1}_FILE"
    if [ -n "${!file:-}" ]; then printf '%s' "$(<"${!file}")"; else printf '%s' "${!1:-${2:-}}"; fi
}

scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) "${psql[@]}" --dbname "$database" --file "$file" ;;
        *.sql.gz) gunzip -c "$file" | "${psql[@]}" --dbname "$database" ;;
        esac
    done
}

initialise() {
    local user password method
    user=$(setting POSTGRES_USER postgres)
    database=$(setting POSTGRES_DB "$user")
    password=$(setting POSTGRES_PASSWORD)
    method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
    if [ -z "$password" ] && [ "$method" != trust ]; then
        echo "the database has no password: set POSTGRES_PASSWORD (or POSTGRES_HOST_AUTH_METHOD=trust, which lets everybody in)" >&2
        exit 1
    fi
    local options=()
    [ -z "${POSTGRES_INITDB_ARGS:-}" ] || read -ra options <<<"$POSTGRES_INITDB_ARGS"
    initdb --username="$user" --pwfile=<(printf '%s\n' "$password") --auth-local=trust --auth-host="$method" "${options[@]}" >/dev/null 2>&1 ||
        initdb --username="$user" --auth-local=trust --auth-host="$method" "${options[@]}"
    printf 'host all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
    # Reached over its socket alone until it is complete.
    PGUSER=$user pg_ctl --wait --options "-c listen_addresses=''" start >/dev/null
    psql=(psql --variable ON_ERROR_STOP=1 --username "$user" --no-password --no-psqlrc)
    if [ "$database" != postgres ]; then
        "${psql[@]}" --dbname postgres --set db="$database" <<<'CREATE DATABASE :"db";' >/dev/null
    fi
    export PGHOST=/var/run/postgresql PGUSER=$user PGDATABASE=$database
    scripts
    unset PGHOST PGUSER PGDATABASE
    pg_ctl --wait --mode fast stop >/dev/null
}

case ${1:-} in -*) set -- postgres "$@" ;; esac
if [ "${1:-}" = postgres ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p "$PGDATA" /var/run/postgresql
        chmod 700 "$PGDATA"
        chown -R postgres:postgres "$PGDATA" /var/run/postgresql
        exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
    fi
    [ -s "$PGDATA/PG_VERSION" ] || initialise
    shift
    exec postgres -c "listen_addresses=*" "$@"
fi
exec "$@"
