# What this host is made of, as its own tools tell it; the control side says which and reads what they print. First,
# whether it can be a node at all.
LEAST_MIB=256
LEAST_MIB_WITH_GPUS=10240

verb_inspect() {
  toolkit_ready
  preflight
  space_ready
  answer host "$(uname -n)" "$(uname -r)" "$(cat /proc/sys/kernel/random/boot_id)" "$(free_mib)"
  for asked in disks cpu memory nics; do section "$asked" sh "$D/in/$asked"; done
  has_driver || return 0
  section gpus sh -c "timeout 60 nvidia-smi -q -x 2>&1"
  section links timeout 60 nvidia-smi nvlink -s
}

# toolkit_ready : GPUs that are there can be given to a container
toolkit_ready() {
  if ! has_driver; then
    ! grep -qsx 0x10de /sys/bus/pci/devices/*/vendor || ! grep -qs '^0x03' $(gpu_classes) ||
      fail HostUnfit "This host has NVIDIA GPUs but no driver; install the package nvidia-driver."
    return 0
  fi
  has_cdi || command -v nvidia-ctk ||
    fail HostUnfit "This host has GPUs but not the NVIDIA container toolkit; install the package nvidia-container-toolkit, then run: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
  has_cdi || fail HostUnfit "$NO_CDI"
}

# gpu_classes : the files that name the classes of NVIDIA's devices
gpu_classes() { grep -lsx 0x10de /sys/bus/pci/devices/*/vendor | sed 's/vendor$/class/'; }

space_ready() {
  least=$LEAST_MIB
  ! has_driver || least=$LEAST_MIB_WITH_GPUS
  touch "$ROOT/writable" && rm "$ROOT/writable" || fail HostUnfit "The file system of $ROOT is read-only or full."
  free=$(free_mib)
  [ "$free" -ge "$least" ] || fail HostUnfit "Only $free MiB are free below $ROOT; a node needs $least MiB at least."
}
