# The first process of a tenant's container. The image must have /bin/sh and OpenSSH's sshd, with its user for
# privilege separation; everything else comes from /gridlease, which is read-only.
sshd=$(PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin && command -v sshd) || { echo "The image has no sshd." >&2; exit 64; }
mkdir -p /run/sshd /root/.ssh
# Sessions see the image's own variables (PATH, CUDA and such), as processes started by the image would, and above them
# the customer's. sshd takes each line of this file as it is, without quoting; a SetEnv could not hold every value.
export GRIDLEASE_INTERRUPTION=/gridlease/interruption.json # there while an interruption is announced
umask 077
{
  env | while IFS= read -r line; do
    case $line in HOME=* | HOSTNAME=* | PWD=* | SHLVL=* | _=* | TERM=*) ;; [A-Za-z_]*=*) printf '%s\n' "$line" ;; esac
  done
  cat /gridlease/environment
} >/run/sshd/environment
ln -sfn /run/sshd/environment /root/.ssh/environment
umask 022
exec "$sshd" -D -e -f /gridlease/sshd_config
