# The tenant's container, in a podman store of its own on the tenant's disk; images are read from the node's store.
# Its root is an unprivileged user of the node: processes of UIDS belong to the tenant and to nobody else.
FIRST_UID=3000000
UIDS=65536

pod() {
  mountpoint -q "$T/disk" || return 1 # or podman would begin a new store where the disk belongs
  CONTAINERS_STORAGE_CONF=$T/storage.conf CONTAINERS_CONF=$T/containers.conf podman "$@"
}

container_configure() {
  store=$(podman info --format '{{.Store.GraphRoot}}')
  mkdir -p "$RUN/$M"
  cat <<EOF | replace "$T/storage.conf"
[storage]
driver = "overlay"
graphroot = "$T/disk/store"
runroot = "$RUN/$M/store"
[storage.options]
additionalimagestores = ["$store"]
EOF
  cat <<EOF | replace "$T/containers.conf"
[engine]
runtime = "$(basename "$(runtime)")"
tmp_dir = "$RUN/$M/libpod"
lock_type = "file"
cgroup_manager = "cgroupfs"
[containers]
log_driver = "k8s-file"
EOF
}

image_ensure() {
  image=$(given image) digest=$(given digest)
  case $image in '' | -*) fail ImageMissing "'$image' is not the name of an image." ;; esac
  if ! podman image exists "$image"; then
    case $image in localhost/*) false ;; *) podman pull -q "$image${digest:+@$digest}" ;; esac ||
      fail ImageMissing "Image $image is not on this node and could not be fetched."
  fi
  found=$(podman image inspect --format '{{.Digest}} sha256:{{.Id}}' "$image")
  case " $found " in *" ${digest:-${found%% *}} "*) ;; *) fail ImageMissing "Image $image here is $found, not $digest." ;; esac
}

container_state() { pod inspect --type container --format '{{.State.Status}}' "$M" 2>/dev/null || echo none; }

container_ensure() {
  [ "$(container_state)" != running ] || return 0
  address_forget
  if [ -e "$T/began" ]; then
    pod start "$M" || fail ProvisionerError "The container of $M does not start again: $(tail -n 1 "$D/log")"
    return
  fi
  pod rm -f -t 0 -i "$M"
  port_pick
  container_run || fail ProvisionerError "The container of $M does not start: $(tail -n 1 "$D/log")"
  pod inspect --type container --format '{{.Id}}' "$M" | replace "$T/began"
}

# address_forget : CNI keeps the address of a container that a power failure ended, and then refuses it to the same one
address_forget() {
  [ ! -s "$T/began" ] || grep -lsF "$(cat "$T/began")" /var/lib/cni/networks/*/* | while read -r lease; do rm -f "$lease"; done
}

# attendants : podman's own processes for the tenancy, which tidy its network up a moment after it ended
attendants() {
  for process in /proc/[0-9]*; do
    if tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -qF "$T/disk/store"; then echo "${process#/proc/}"; fi
  done
}

wait_for_attendants() {
  again=0
  while [ -n "$(attendants)" ] && [ "$again" -lt 100 ]; do
    again=$((again + 1))
    sleep 0.1
  done
}

container_run() {
  devices=''
  [ "$(wanted_gpus)" = 0 ] || devices='--device nvidia.com/gpu=all'
  memory=$(memory_mib)
  # shellcheck disable=SC2086
  pod run -d --name "$M" --hostname "$(given hostname)" --label "gridlease.machine=$M" --pull never \
    --uidmap "0:$FIRST_UID:$UIDS" --gidmap "0:$FIRST_UID:$UIDS" --network bridge -p "$(cat "$T/port"):22" \
    --memory "${memory}m" --memory-swap "${memory}m" --shm-size "$((memory / 4))m" --cpus "$(cpus)" --pids-limit 32768 \
    --ulimit "nofile=$(hard nofile)" --ulimit "nproc=$(hard nproc)" \
    -v "$S:/gridlease:ro" -v "$T/disk/scratch:/scratch" $devices \
    --entrypoint /bin/sh "$(given image)" /gridlease/start.sh
}

# hard NAME : the highest limit that this node can give, as soft:hard
hard() {
  most=$(prlimit "--$1" -o HARD --noheadings --raw)
  [ "$most" != unlimited ] && [ "$most" -lt 1048576 ] || most=1048576
  echo "$most:$most"
}

memory_mib() {
  has=$(awk '/^MemTotal/ { printf "%d", $2 * 0.95 / 1024 }' /proc/meminfo)
  promised=$(given memory_mib)
  if [ "$promised" -gt 0 ] && [ "$promised" -lt "$has" ]; then echo "$promised"; else echo "$has"; fi
}

cpus() {
  has=$(nproc) promised=$(given vcpus)
  if [ "$promised" -gt 0 ] && [ "$promised" -lt "$has" ]; then echo "$promised"; else echo "$has"; fi
}

# port_pick : one that nobody on the node listens on; it stays the tenancy's own to its end
port_pick() {
  [ ! -s "$T/port" ] || return 0
  port=$((22000 + $(od -An -N2 -tu2 /dev/urandom) % 1000))
  while grep -qi "$(printf ':%04X 00000000:0000 0A' "$port")" /proc/net/tcp; do port=$((port + 1)); done
  echo "$port" | replace "$T/port"
}

address() { pod inspect --type container --format '{{.NetworkSettings.IPAddress}}' "$M"; }

# ssh_answers : whether the tenant's SSH server shows the tenancy's host key
ssh_answers() {
  shown=$(ssh-keyscan -T 3 -t ed25519 "$(address)" 2>/dev/null | cut -d' ' -f2,3)
  [ -n "$shown" ] && [ "$shown" = "$(host_key)" ]
}

host_key() { cut -d' ' -f1,2 "$S/host_key.pub"; }

tenant_pids() {
  for process in /proc/[0-9]*; do
    owner=$(stat -c %u "$process" 2>/dev/null) || continue
    if [ "$owner" -ge $FIRST_UID ] && [ "$owner" -lt $((FIRST_UID + UIDS)) ]; then echo "${process#/proc/}"; fi
  done
}
