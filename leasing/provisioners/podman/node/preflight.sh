# What a node must have before anything is done on it.

NO_CDI='No CDI specification offers nvidia.com/gpu here; run: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml'

need() {
  command -v "$1" >/dev/null || fail HostUnfit "This node lacks $1; install the package $2."
}

preflight() {
  need podman podman
  need mountpoint util-linux
  need filefrag e2fsprogs
  need ssh-keygen openssh-client
  need ssh-keyscan openssh-client
  need mkfs.ext4 e2fsprogs
  need mount mount
  need prlimit util-linux
  runtime >/dev/null || fail HostUnfit "This node has no container runtime that works with its cgroups; install runc."
  [ "$(wanted_gpus)" = 0 ] || has_cdi ||
    fail HostUnfit "$NO_CDI"
}

# crun refuses hybrid cgroups, runc takes all of them
runtime() {
  if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] && command -v crun; then return; fi
  command -v runc
}

wanted_gpus() { if [ -e "$D/in/gpus" ]; then given gpus; else echo 0; fi; }

has_cdi() { grep -qsE 'nvidia\.com/gpu' /etc/cdi/* /var/run/cdi/*; }

# alone : one tenant per node, always
alone() {
  for other in "$ROOT"/tenancies/*; do
    [ "$other" = "$T" ] || [ ! -e "$other" ] || fail HostUnfit "This node still holds ${other##*/}; it must be wiped first."
  done
}
