# Destroys all that a tenancy left, then looks for it. What is needed to look (canaries, method) goes last, so that a wipe
# that was killed half-way can be repeated and still tells the truth.

verb_wipe() {
  if [ ! -e "$T" ]; then
    answer method "nothing was there under this name; looked again"
    look_around
    return
  fi
  method=$(cat "$T/method" 2>/dev/null || echo none)
  answer method "podman, $("says_$method")"
  commands_forget
  container_remove
  before=$(readable_before)
  scratch_close
  "destroy_$method"
  shred_file "$T/key"
  sync
  look_for_data
  rm -rf "$T" "${RUN:?}/$M"
  look_around
}

container_remove() {
  keys_forget
  if [ -e "$T/made" ] && [ -s "$T/key" ] && scratch_open; then pod rm -f -t 0 -i "$M" || true; fi
  kill_tenant
  wait_for_attendants
  address_forget
}

# readable_before : how many canaries the key still opens
readable_before() {
  if [ -e "$T/canaries" ] && [ -e "$(disk_path)" ]; then canary_before; else echo 0; fi
}

look_for_data() {
  check key "the key is gone" [ ! -e "$T/key" ]
  check locked "the disk does not open any more" cannot_open
  [ -e "$T/canaries" ] || return 0
  for place in start middle end; do
    check "canary_$place" "$before of 3 canaries were readable before, this one is not now" canary_after "$place"
  done
}

cannot_open() {
  case $method in plain | none) return 0 ;; esac
  ! "open_$method"
}

look_around() {
  check directory "nothing is left below $ROOT" [ ! -e "$T" ]
  check mounts "nothing is mounted" nothing_in /proc/self/mountinfo
  check processes "no process of a tenant is left" [ -z "$(tenant_pids)" ]
  check attendants "podman has nothing left to do for it" [ -z "$(attendants)" ]
  check loops "no loop device holds the disk" no_loop
  check gpu "$(gpu_words)" gpu_idle
}

nothing_in() { ! grep -qF "/$M/" "$1"; }

# no_loop : the kernel lets a loop device go a moment after its last user
no_loop() {
  again=0
  while losetup -a 2>/dev/null | grep -qF "$T/"; do
    again=$((again + 1))
    [ "$again" -lt 30 ] || return 1
    sleep 0.1
  done
}

gpu_words() {
  if command -v nvidia-smi >/dev/null; then echo "GPUs: no process, little memory in use"; else echo "this node has no GPU"; fi
}

# gpu_idle : the driver keeps some memory for itself; 1 GiB in use means that something is still there
gpu_idle() {
  command -v nvidia-smi >/dev/null || return 0
  [ -z "$(nvidia-smi --query-compute-apps=pid --format=csv,noheader)" ] || return 1
  nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | awk '$1 >= 1024 { busy = 1 } END { exit busy }'
}

# commands_forget : inputs of commands for this machine that died half-way
commands_forget() {
  for other in "${D%/*}"/gridlease.*; do
    [ "$other" = "$D" ] || [ "$(cat "$other/in/machine" 2>/dev/null)" != "$M" ] || rm -rf "$other"
  done
}
