"""What the container of a server runs: a few lines of shell that start the server when the agent asks and say how it ended."""

TEXT = r"""
run=${RUN:-/run/database}
umask 027
say() { printf '%s\n' "$2" >"$run/.$1" && mv "$run/.$1" "$run/$1"; }
read_file() { cat "$run/$1" 2>/dev/null; }
start() {
    rm -f "$run/ended"
    "$(read_file program)" --defaults-file="$run/my.cnf" </dev/null 2>>"${DATA:-/data}/log/error.log" &
    server=$!
    asked=
    say server.pid "$server"
}
insist() {
    trap 'kill "$asleep"; exit' TERM
    sleep "${STOP_S:-15}" &
    asleep=$!
    wait "$asleep"
    kill -s "$(read_file last-signal || echo TERM)" "$server" 2>/dev/null
}
finish() {
    : >"$run/stopping"
    if [ -n "$server" ]; then
        insist &
        insisting=$!
        while kill -0 "$server" 2>/dev/null; do wait "$server"; done
        kill "$insisting" 2>/dev/null
        wait "$insisting"
    fi
    kill "$idle" 2>/dev/null
    exit 0
}
server=
old=$(read_file server.pid)
[ -z "$old" ] || case $(cat "/proc/$old/comm" 2>/dev/null) in mariadbd | mysqld) kill -9 "$old" ;; esac
rm -f "$run/server.pid" "$run/ended" "$run/stopping"
mkdir -p "${DATA:-/data}/log"
tail -n 0 -F "${DATA:-/data}/log/error.log" 2>/dev/null &
idle=$!
asked=
trap asked=yes USR1
trap finish TERM INT
say supervisor.pid "$$"
while :; do
    if [ -z "$server" ]; then
        if [ -n "$asked" ]; then start; else wait "$idle"; fi
        continue
    fi
    wait "$server"
    code=$?
    kill -0 "$server" 2>/dev/null && continue
    asked=
    say ended "$code"
    rm -f "$run/server.pid"
    server=
done
"""
"""For `/bin/sh -c`. Its files lie in /run/database, which the agent's container mounts too:

`supervisor.pid` and `server.pid` are its own and the server's, `ended` holds the code that the last server ended with, `stopping` is there
once it was told to end. The agent writes `program`, `my.cnf` and `last-signal`. SIGUSR1 asks for the server, any number of times: the trap
only takes note, since another signal may come between any two commands of a trap. SIGTERM gives the agent STOP_S
seconds to stop the server in its own way, then sends it the signal in `last-signal`. What it prints is the server's error log. There
goes as well what a server says before it has opened it: a setting that it does not take ends it by then.
"""

HOLD = r"""
left=${HOLD_S:-25}
while [ -e "${RUN:-/run/database}/hold" ] && [ "$left" -gt 0 ]; do
    sleep 1
    left=$((left - 1))
done
"""
"""For `/bin/sh -c` in a preStop hook: a primary that is to end waits until another member has taken over."""
