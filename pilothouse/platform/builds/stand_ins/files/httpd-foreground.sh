#!/bin/sh
set -eu
rm -f /usr/local/apache2/logs/httpd.pid
exec /usr/sbin/apache2 -d /usr/local/apache2 -f conf/httpd.conf -DFOREGROUND "$@"
