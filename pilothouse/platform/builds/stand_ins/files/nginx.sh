#!/bin/sh
# Fills the templates of /etc/nginx/templates with the environment, runs what lies in /docker-entrypoint.d, then the command.
set -eu
if [ "${1:-}" = nginx ]; then
    [ -e /proc/net/if_inet6 ] || sed -i '/listen \[::\]:80;/d' /etc/nginx/conf.d/default.conf 2>/dev/null || true
    names=$(env | sed -n 's/^\([A-Za-z_][A-Za-z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
    for template in /etc/nginx/templates/*.template; do
        [ -f "$template" ] || continue
        name=${template##*/}
        envsubst "$names" <"$template" >"/etc/nginx/conf.d/${name%.template}"
    done
    for script in /docker-entrypoint.d/*; do
        case $script in
        *.envsh) [ -x "$script" ] && . "$script" ;;
        *.sh) [ -x "$script" ] && "$script" ;;
        esac
    done
fi
exec "$@"
