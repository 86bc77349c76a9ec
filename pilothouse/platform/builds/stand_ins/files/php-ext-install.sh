#!/bin/sh
# Installs PHP extensions by the names of the public image, as the distribution's packages.
set -eu
packages=""
for name in "$@"; do
    case $name in
    -*) ;;
    mysqli | pdo_mysql) packages="$packages php-mysql" ;;
    pgsql | pdo_pgsql) packages="$packages php-pgsql" ;;
    pdo_sqlite | sqlite3) packages="$packages php-sqlite3" ;;
    dom | xml | simplexml | xmlreader | xmlwriter | xsl) packages="$packages php-xml" ;;
    bcmath | curl | gd | gmp | imap | intl | ldap | mbstring | soap | tidy | zip) packages="$packages php-$name" ;;
    bz2 | dba | enchant | odbc | pspell | snmp) packages="$packages php-$name" ;;
    calendar | ctype | exif | fileinfo | filter | ftp | gettext | iconv | opcache | pcntl | pdo | phar | posix | session | shmop | sockets | sysvmsg | sysvsem | sysvshm | tokenizer) ;;
    *) echo "docker-php-ext-install: the distribution has no PHP extension $name" >&2 && exit 1 ;;
    esac
done
[ -z "$packages" ] && exit 0
apt-get update
# shellcheck disable=SC2086 -- a list of package names of this script
apt-get install -y --no-install-recommends $packages
rm -rf /var/lib/apt/lists/*
