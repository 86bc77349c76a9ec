#!/bin/bash
# Makes the data on the first start from MARIADB_* (or MYSQL_*) and /docker-entrypoint-initdb.d, then runs the server.
set -euo pipefail

# MARIADB_NAME or MYSQL_NAME, or the contents of the file that NAME_FILE names.
setting() {
    local name file
    for name in "MARIADB_$1" "MYSQL_$1"; do
        file="${name}_FILE"
        if [ -n "${!file:-}" ]; then printf '%s' "$(<"${!file}")" && return; fi
        if [ -n "${!name:-}" ]; then printf '%s' "${!name}" && return; fi
    done
}

# As the text between quotes in SQL.
quoted() { printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g"; }

scripts() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) "${client[@]}" <"$file" ;;
        *.sql.gz) gunzip -c "$file" | "${client[@]}" ;;
        esac
    done
}

initialise() {
    local root database user password
    root=$(setting ROOT_PASSWORD)
    if [ -n "$(setting RANDOM_ROOT_PASSWORD)" ]; then
        root=$(head -c 24 /dev/urandom | base64 | tr -d '/+=')
        echo "the root password is $root"
    fi
    if [ -z "$root" ] && [ -z "$(setting ALLOW_EMPTY_ROOT_PASSWORD)$(setting ALLOW_EMPTY_PASSWORD)" ]; then
        echo "the database has no root password: set MARIADB_ROOT_PASSWORD, MARIADB_RANDOM_ROOT_PASSWORD=1 or MARIADB_ALLOW_EMPTY_ROOT_PASSWORD=1" >&2
        exit 1
    fi
    database=$(setting DATABASE) user=$(setting USER) password=$(setting PASSWORD)
    mariadb-install-db --user=mysql --datadir=/var/lib/mysql --skip-test-db --auth-root-authentication-method=normal >/dev/null
    # Reached over its socket alone until it is complete.
    mariadbd --skip-networking &
    local server=$!
    client=(mariadb --user=root --protocol=socket)
    for _ in $(seq 600); do
        "${client[@]}" --execute 'SELECT 1' >/dev/null 2>&1 && break
        kill -0 "$server" || exit 1
        sleep 0.1
    done
    if [ -n "$database" ]; then
        "${client[@]}" --execute "CREATE DATABASE IF NOT EXISTS \`${database//\`/\`\`}\`"
        client+=("--database=$database")
    fi
    if [ -n "$user" ]; then
        "${client[@]}" --execute "CREATE USER '$(quoted "$user")'@'%' IDENTIFIED BY '$(quoted "$password")'"
        [ -z "$database" ] || "${client[@]}" --execute "GRANT ALL ON \`${database//\`/\`\`}\`.* TO '$(quoted "$user")'@'%'"
    fi
    scripts
    "${client[@]}" --execute "CREATE USER 'root'@'%' IDENTIFIED BY '$(quoted "$root")'; GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION; ALTER USER 'root'@'localhost' IDENTIFIED BY '$(quoted "$root")'"
    kill -TERM "$server"
    wait "$server" || true
}

case ${1:-} in -*) set -- mariadbd "$@" ;; mysqld) shift && set -- mariadbd "$@" ;; esac
if [ "${1:-}" = mariadbd ]; then
    if [ "$(id -u)" = 0 ]; then
        mkdir -p /var/lib/mysql /run/mysqld
        chown -R mysql:mysql /var/lib/mysql /run/mysqld
        exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
    fi
    [ -d /var/lib/mysql/mysql ] || initialise
fi
exec "$@"
