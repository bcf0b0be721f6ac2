# What the control side may ask for. Each looks first and does what is missing.

verb_prepare() {
  alone
  preflight
  image_ensure
  mkdir -p "$T"
  deadline_set
  scratch_make
  scratch_open
  container_configure
  keys_ensure
  peers_let_in
  echo running | replace "$T/wanted"
  container_ensure
  peers_join
  wait_for_ssh
  peers_name
  startup_once
  answer endpoint "$(cat "$T/port")" "$(host_key)"
}

verb_resume() {
  exists
  verb_prepare
}

verb_pause() {
  exists
  echo paused | replace "$T/wanted"
  container_stop 10
}

verb_revoke() {
  [ ! -e "$T" ] || access_end
}

# access_end : nobody is admitted and nothing runs; the data stays
access_end() {
  keys_forget
  echo paused | replace "$T/wanted"
  container_stop 0
}

verb_log() {
  if mountpoint -q "$T/disk"; then section "$(given log)" "log_$(given log)"; fi
}
# read through podman, which resolves the tenant's links inside the container
log_startup() { pod cp "$M:/root/startup.log" - 2>/dev/null | tar -xO | tail -c 65536; }
log_console() { pod logs --tail 4096 "$M" 2>&1 | tail -c 65536; }

verb_observe() {
  if [ ! -e "$T" ]; then answer state absent; return; fi
  is=none
  wanted=$(cat "$T/wanted" 2>/dev/null || true)
  if mountpoint -q "$T/disk"; then is=$(container_state); fi
  case $wanted:$is in
    running:running) answer state running ;;
    paused:none) answer state paused ;;
    *) answer state partial ;;
  esac
}

verb_check() {
  if [ ! -e "$T/began" ]; then answer check running no "the tenancy was never started"; return; fi
  check container "the container runs" [ "$(container_state)" = running ]
  check ssh "SSH shows the tenancy's host key" ssh_answers
  check keys "exactly the lease's keys are admitted" cmp -s "$D/in/keys" "$S/authorized_keys"
  check scratch "$(cat "$T/method")" mountpoint -q "$T/disk"
  [ ! -s "$T/peers" ] || check network "the machine is in the lease's network" peers_joined
  gpus=$(wanted_gpus) seen=0
  [ "$gpus" = 0 ] || seen=$(pod exec "$M" nvidia-smi -L | grep -c '^GPU ' || true)
  check gpu "$seen of $gpus GPUs report" [ "$seen" = "$gpus" ]
}

# exists : a disk was made, or is being made anew
exists() { [ -e "$T/made" ] || [ -e "$T/kept" ] || fail HostUnfit "This node holds nothing named $M."; }

# keys_ensure : the host key once, the tenant's keys always; a session is cut when a key was taken away. Changed variables
# are there for the next start.
keys_ensure() {
  host_key_restore
  if [ ! -s "$S/host_key" ]; then
    rm -f "$S/fresh" "$S/fresh.pub"
    ssh-keygen -q -t ed25519 -N '' -C '' -f "$S/fresh"
    mv "$S/fresh.pub" "$S/host_key.pub"
    mv "$S/fresh" "$S/host_key"
  fi
  if [ -s "$S/authorized_keys" ] && grep -qvxFf "$D/in/keys" "$S/authorized_keys"; then cut_sessions; fi
  replace "$S/authorized_keys" <"$D/in/keys"
  replace "$S/environment" <"$D/in/environment"
  if [ -s "$D/in/interruption" ]; then replace "$S/interruption.json" <"$D/in/interruption"; else rm -f "$S/interruption.json"; fi
  cp "$D/start.sh" "$D/startup.sh" "$D/sshd_config" "$S/"
  chown -R "$FIRST_UID:$FIRST_UID" "$S"
}

keys_forget() {
  if mountpoint -q "$T/disk"; then : | replace "$S/authorized_keys"; fi
}

cut_sessions() {
  keys_forget
  first=$(pod inspect --type container --format '{{.State.Pid}}' "$M" 2>/dev/null || echo 0)
  for process in $(tenant_pids); do
    parent=$(awk '/^PPid/ { print $2 }' "/proc/$process/status" 2>/dev/null || true)
    [ "$parent" != "$first" ] || [ "$(cat "/proc/$process/comm" 2>/dev/null)" != sshd ] || kill -9 "$process" || true
  done
}

wait_for_ssh() {
  again=0
  until ssh_answers; do
    again=$((again + 1))
    [ "$(container_state)" = running ] || fail ImageMissing "Image $(given image) cannot be used: $(pod logs "$M" 2>&1 | tail -n 1)"
    [ "$again" -lt 60 ] || fail ProvisionerError "The container of $M runs, but its SSH server does not answer."
    sleep 0.25
  done
}

# startup_once : marked before it is started, so a crash in between costs the run and never makes a second one
startup_once() {
  [ ! -e "$T/startup_done" ] && [ -s "$D/in/startup" ] || return 0
  install -m 755 -o $FIRST_UID -g $FIRST_UID "$D/in/startup" "$S/startup"
  : >"$T/startup_done"
  how=/bin/sh
  if head -c 2 "$S/startup" | grep -q '^#!'; then how=''; fi
  # shellcheck disable=SC2086
  pod exec -d -w /root "$M" /bin/sh /gridlease/startup.sh $how /gridlease/startup
}

# container_stop SECONDS : leaves nothing running and nothing mounted
container_stop() {
  if mountpoint -q "$T/disk"; then
    [ "$(container_state)" = none ] || { pod stop -t "$1" "$M" && pod container cleanup "$M"; } || true
  fi
  kill_tenant
  wait_for_attendants
  scratch_close
}

kill_tenant() {
  again=0
  while left=$(tenant_pids) && [ -n "$left" ] && [ "$again" -lt 50 ]; do
    kill -9 $left 2>/dev/null || true
    again=$((again + 1))
    sleep 0.1
  done
  [ -z "$left" ] || fail ProvisionerError "Processes $left of $M cannot be killed."
}
