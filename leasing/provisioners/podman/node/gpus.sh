# The node's GPUs between two tenants: reset, or scrubbed by the node's own program, and idle.
PROGRAMS=/usr/local/lib/gridlease

has_driver() { command -v nvidia-smi >/dev/null; }

# gpus_reset : all of them at once, as linked GPUs demand; the driver's last word is left in $said
gpus_reset() {
  has_driver || return 0
  said=$(timeout 120 nvidia-smi --gpu-reset 2>&1) || { said=$(printf %s "$said" | tail -n 1) && return 1; }
}

# gpu_memory_check : what was in the GPUs' memory must not reach the next tenant; an idle GPU is not proof of that
gpu_memory_check() {
  has_driver || return 0
  for other in "$ROOT"/tenancies/*; do
    if [ -e "$other" ]; then answer check gpu_memory no "not touched: ${other##*/} is on this node" && return; fi
  done
  if gpus_reset; then
    answer check gpu_memory yes "all GPUs were reset by the driver"
  elif [ ! -x "$PROGRAMS/scrub-gpus" ]; then
    answer check gpu_memory no "the driver refuses a reset ($said), and this node has no $PROGRAMS/scrub-gpus"
  elif seen=$(timeout 900 "$PROGRAMS/scrub-gpus" 2>&1); then
    answer check gpu_memory yes "the driver refuses a reset ($said); scrubbed: $seen"
  else
    answer check gpu_memory no "the driver refuses a reset ($said), and scrubbing failed: $seen"
  fi
}

gpu_words() {
  if has_driver; then echo "GPUs: no process, little memory in use"; else echo "this node has no GPU"; fi
}

# gpu_idle : the driver keeps some memory for itself; 1 GiB in use means that something is still there
gpu_idle() {
  has_driver || return 0
  [ -z "$(timeout 30 nvidia-smi --query-compute-apps=pid --format=csv,noheader)" ] || return 1
  timeout 30 nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | awk '$1 >= 1024 { busy = 1 } END { exit busy }'
}
