# The tenant's disk: one file, encrypted by the best means that the node has, holding an ext4 file system on which lies
# everything of the tenant: the container's own layer and log, /scratch, SSH keys and the startup script.
MIB=1048576

scratch_make() {
  [ ! -e "$T/made" ] || return 0
  size=$(wanted_bytes)
  scratch_close
  rm -rf "$T/cipher" "$T/plain" "$T/disk"
  mkdir -p "$T/cipher" "$T/plain" "$T/disk"
  head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$T/key"
  for method in luks gocryptfs plain; do
    if "make_$method"; then break; fi
    "close_$method"
    rm -rf "$T/cipher" && mkdir "$T/cipher"
  done
  echo "$method" >"$T/method"
  bytes=$(disk_bytes)
  echo "$bytes" >"$T/bytes"
  mkfs.ext4 -q -F -m 0 -E "offset=$MIB,lazy_itable_init=1" "$(disk_path)" "$(((bytes - 2 * MIB) / 1024))k"
  disk_mount
  mkdir -p "$T/disk/scratch" "$T/disk/store" "$T/disk/ssh"
  chown "$FIRST_UID:$FIRST_UID" "$T/disk/scratch"
  canary_write
  sync
  : >"$T/made"
}

scratch_open() {
  mkdir -p "$T/plain" "$T/disk"
  "open_$(cat "$T/method")"
  disk_mount
}

# scratch_close : takes all mounts away; may be called whatever is there
scratch_close() {
  again=0
  while mountpoint -q "$T/disk" && [ "$again" -lt 50 ]; do
    umount -R "$T/disk" || sleep 0.1
    again=$((again + 1))
  done
  "close_$(cat "$T/method" 2>/dev/null || echo none)"
}

# The first and the last MiB of the disk stay outside the file system: canaries lie there.
disk_mount() {
  mountpoint -q "$T/disk" || mount -o "loop,offset=$MIB,sizelimit=$(($(cat "$T/bytes") - 2 * MIB))" "$(disk_path)" "$T/disk"
}

disk_path() { "path_$(cat "$T/method")"; }

disk_bytes() {
  if [ -b "$(disk_path)" ]; then blockdev --getsize64 "$(disk_path)"; else stat -Lc %s "$(disk_path)"; fi
}

# free_mib : nine tenths of what is free below ROOT
free_mib() { df -P -k "$ROOT" | awk 'NR == 2 { printf "%d", $4 * 0.9 / 1024 }'; }

# wanted_bytes : what the node type promises, or nine tenths of what is free; the file is sparse
wanted_bytes() {
  free=$(free_mib)
  wanted=$(given nvme_mib)
  [ "$wanted" -gt 0 ] && [ "$wanted" -lt "$free" ] || wanted=$free
  [ "$wanted" -ge 256 ] || fail HostUnfit "Only $free MiB are free below $ROOT; a tenant needs 256 at least."
  echo $((wanted * MIB))
}
