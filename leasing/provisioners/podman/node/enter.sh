# First thing that runs: one command at a time on this node; a second one waits for half a minute.
# `flock -o` keeps the lock from what the command leaves running.
set -eu
D=${0%/*}
. "$D/answer.sh"
[ "$(id -u)" = 0 ] || fail HostUnfit "The operator's user on this node must be root."
command -v flock >/dev/null || fail HostUnfit "This node lacks flock; install the package util-linux."
mkdir -p "$ROOT/fences" "$ROOT/tenancies"
status=0
flock -o -w 30 -E 75 "$ROOT/lock" sh "$D/main.sh" || status=$?
[ "$status" != 75 ] || fail ProvisionerError "Another command is still at work on this node; try again later."
exit "$status"
