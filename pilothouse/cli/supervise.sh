# Keeps one command running: starts it again when it fails, sooner at first and later when it fails again before it has worked.
# Usage: sh supervise.sh LOG STATE WORKED COMMAND...
# Ends when the command ends by itself (0), says that trying again is no use (78), or fails before it has written its state file.
# WORKED: a file that the command makes when it works, removed before each start; one that has worked is started again almost at once.
log=$1
state=$2
worked=$3
shift 3
# As many open files as the units of systemd allow, or as many as this machine lets us: a login's 1024 are soon used up.
ulimit -n 1048576 2>/dev/null || ulimit -Sn "$(ulimit -Hn)" 2>/dev/null || :
pause=0
while :; do
    rm -f "$worked"
    "$@" >>"$log" 2>&1
    code=$?
    case $code in 0 | 78) exit "$code" ;; esac
    [ -e "$state" ] || exit "$code"
    if [ -e "$worked" ]; then pause=0; fi
    sleep "$pause.2"
    pause=$((pause * 2 + 1))
    if [ "$pause" -gt 30 ]; then pause=30; fi
done
