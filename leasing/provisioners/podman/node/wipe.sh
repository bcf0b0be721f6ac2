# Destroys all that a tenancy left, then looks for it. What is needed to look (canaries, method) goes last, so that a wipe
# that was killed half-way can be repeated and still tells the truth.

verb_wipe() {
  if [ ! -e "$T" ]; then
    deadline_forget
    answer method "nothing was there under this name; looked again"
    look_around
    return
  fi
  method=$(cat "$T/method" 2>/dev/null || echo none)
  port=$(cat "$T/port" 2>/dev/null || true)
  deadline_forget
  commands_forget
  container_remove
  peers_forget
  before=$(readable_before)
  scratch_close
  "destroy_$method"
  shred_file "$T/key"
  shred_file "$T/kept/host_key"
  sync
  look_for_data
  rm -rf "$T" "${RUN:?}/$M"
  answer method "podman, $("says_$method"); $(discard)"
  check host_key "the endpoint's SSH host key is gone and nothing answers at its port" endpoint_gone
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

# discard : tells the disk below that the freed blocks hold nothing; says whether it listened
discard() {
  if timeout 300 fstrim "$ROOT"; then echo "free blocks discarded (fstrim)"; else echo "this disk takes no discard"; fi
}

endpoint_gone() {
  [ ! -e "$S/host_key" ] || return 1
  [ -z "$port" ] || [ -z "$(ssh-keyscan -T 3 -p "$port" 127.0.0.1 2>/dev/null)" ]
}

look_around() {
  check directory "nothing is left below $ROOT" [ ! -e "$T" ]
  check mounts "nothing is mounted" nothing_in /proc/self/mountinfo
  check processes "no process of a tenant is left" [ -z "$(tenant_pids)" ]
  check attendants "podman has nothing left to do for it" [ -z "$(attendants)" ]
  check loops "no loop device holds the disk" no_loop
  check gpu "$(gpu_words)" gpu_idle
  gpu_memory_check
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

# commands_forget : inputs of commands for this machine that died half-way
commands_forget() {
  for other in "${D%/*}"/gridlease.*; do
    [ "$other" = "$D" ] || [ "$(cat "$other/in/machine" 2>/dev/null)" != "$M" ] || rm -rf "$other"
  done
}
