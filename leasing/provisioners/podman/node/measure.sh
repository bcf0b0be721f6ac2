# Burn-in: what this host reaches, each figure in the unit of the verification's measure of that name.
MOST_MIB=2048

verb_measure() {
  file=$ROOT/measure
  mib=$(($(free_mib) / 4))
  [ "$mib" -lt "$MOST_MIB" ] || mib=$MOST_MIB
  trap 'rm -f "$file"' EXIT
  figure disk_write "$(speed if=/dev/zero of="$file" bs=4M count=$((mib / 4)) conv=fsync oflag=direct)"
  figure disk_read "$(speed if="$file" of=/dev/null bs=4M iflag=direct)"
  figure network "$(fastest_link)"
  if [ -x "$PROGRAMS/measure-gpus" ]; then
    timeout 900 "$PROGRAMS/measure-gpus" | while read -r name value; do figure "$name" "$value"; done
  fi
}

figure() { [ -z "$2" ] || answer measure "$1" "$2"; }

# speed OPERAND… : of dd, in MB/s; some file systems know no direct access, then the cache is emptied first
speed() {
  measured=$(dd "$@" 2>&1) || { echo 3 >/proc/sys/vm/drop_caches && measured=$(indirect "$@"); }
  printf '%s\n' "$measured" | awk '/copied/ { bytes = $1; sub(/.*copied, /, ""); if ($1 > 0) printf "%.1f", bytes / $1 / 1000000 }'
}

indirect() {
  for operand in "$@"; do
    shift
    case $operand in ?flag=direct) ;; *) set -- "$@" "$operand" ;; esac
  done
  dd "$@" 2>&1
}

# fastest_link : of the hardware's interfaces, in Gbit/s
fastest_link() {
  for nic in /sys/class/net/*; do
    if [ -e "$nic/device" ]; then cat "$nic/speed" 2>/dev/null || true; fi
  done | awk '$1 > most { most = $1 } END { if (most > 0) print most / 1000 }'
}
