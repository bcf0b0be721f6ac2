# Reports on this host every few seconds for as long as somebody listens; takes no lock and changes nothing. A report is
# lines of tab-separated fields, ended by `end`.
D=${0%/*}
. "$D/answer.sh"
. "$D/container.sh"
GPU_FIELDS=index,uuid,pci.bus_id,utilization.gpu,memory.used,temperature.gpu,power.draw,ecc.errors.uncorrected.volatile.total
TOTAL_ENERGY=156 # DCGM's number for millijoules since the driver was loaded

# tenancy : the only one on this node, judged by its first process
tenancy() {
  for T in "$ROOT"/tenancies/*; do
    [ -e "$T" ] || continue
    M=${T##*/}
    case $(cat "$T/wanted" 2>/dev/null):$(if runs; then echo running; else echo none; fi) in
      running:running) echo running ;;
      paused:none) if mountpoint -q "$T/disk"; then echo partial; else echo paused; fi ;;
      *) echo partial ;;
    esac
    return
  done
  echo absent
}

runs() {
  for file in "$RUN/$M"/store/overlay-containers/*/userdata/pidfile; do
    process=$(cat "$file" 2>/dev/null) && [ "$(stat -c %u "/proc/$process" 2>/dev/null)" = "$FIRST_UID" ] && return
  done
  return 1
}

gpus() {
  command -v nvidia-smi >/dev/null || return 0
  said=$(timeout 8 nvidia-smi --query-gpu=$GPU_FIELDS --format=csv,noheader,nounits 2>&1)
  [ $? != 124 ] || said='nvidia-smi does not answer'
  printf '%s\n' "$said" | while IFS= read -r line; do printf 'gpu\t%s\n' "$line"; done
  command -v dcgmi >/dev/null || return 0
  timeout 4 dcgmi dmon -e $TOTAL_ENERGY -c 1 2>/dev/null | awk '$1 == "GPU" { print "energy\t" $2 "\t" $3 }'
}

# errors : Xid messages of the kernel after the last report; its own stamps count, for they drift from other clocks
errors() {
  dmesg 2>/dev/null | awk -v since="$since" '
    /^\[/ { at = $0; sub(/^\[ */, "", at); at += 0; last = at }
    /NVRM: Xid \(PCI:/ && since != "" && at > since + 0 {
      sub(/.*Xid \(PCI:/, ""); place = $0; sub(/\).*/, "", place); sub(/^[^)]*\): */, ""); print "xid\t" place "\t" $0 + 0
    }
    END { printf "kernel\t%.6f\n", last }'
}

every=$(given every) boot=$(cat /proc/sys/kernel/random/boot_id)
since=$(given since)
[ -z "$since" ] || [ "$(given boot)" = "$boot" ] || since=0
rm -rf "$D"
while :; do
  sleep "$every" &
  turn=$!
  printf 'boot\t%s\ntenancy\t%s\n' "$boot" "$(tenancy)"
  gpus
  found=$(errors)
  since=${found##*"$(printf '\t')"}
  printf '%s\nend\n' "$found"
  wait "$turn"
done
