# Keeps one command running: starts it again when it fails, sooner at first and later when it fails at once again.
# Usage: sh supervise.sh LOG STATE COMMAND...
# Ends when the command ends by itself (0), says that trying again is no use (78), or fails before it has written its state file.
log=$1
state=$2
shift 2
pause=0
while :; do
    begun=$(date +%s)
    "$@" >>"$log" 2>&1
    code=$?
    case $code in 0 | 78) exit "$code" ;; esac
    [ -e "$state" ] || exit "$code"
    if [ $(($(date +%s) - begun)) -gt 30 ]; then pause=0; fi
    sleep "$pause"
    pause=$((pause * 2 + 1))
    if [ "$pause" -gt 30 ]; then pause=30; fi
done
