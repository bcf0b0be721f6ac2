# The node's side of the podman provisioner. Comes over SSH with each command, beside in/, which holds its inputs as
# files; so nothing that a customer wrote is ever part of a command line. Answers are lines of tab-separated fields in out.
set -eu
D=${0%/*}
. "$D/answer.sh"
. "$D/preflight.sh"
. "$D/scratch.sh"
. "$D/methods.sh"
. "$D/canary.sh"
. "$D/container.sh"
. "$D/peers.sh"
. "$D/deadline.sh"
. "$D/gpus.sh"
. "$D/verbs.sh"
. "$D/service.sh"
. "$D/wipe.sh"
. "$D/survey.sh"
. "$D/measure.sh"

verb=$(given verb)
M=$(given machine)
case $M in '' | *[!A-Za-z0-9_-]*) fail HostUnfit "'$M' is not the name of a machine." ;; esac
T=$ROOT/tenancies/$M
S=$T/disk/ssh

case $verb in
  check | observe | log | inspect | measure) ;;
  expire) ;; # the node's own command
  *) fence ;;
esac
case $verb in
  prepare | check | pause | resume | revoke | wipe | observe | service | expire | log | inspect | measure) "verb_$verb" ;;
  *) fail ProvisionerError "'$verb' is not a command." ;;
esac
