#!/bin/sh
# The distribution's packages enable their extensions when they are installed.
set -eu
for name in "$@"; do
    php -m | grep -qix -e "$name" -e "zend $name" || { echo "docker-php-ext-enable: PHP has no extension $name: install it first" >&2; exit 1; }
done
