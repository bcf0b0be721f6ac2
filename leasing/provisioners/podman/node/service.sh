# Break-fix on a tenancy: it is stopped hard, something is made anew, and it starts again where it was.

verb_service() {
  exists
  refused=''
  container_stop 0
  case $(given what) in
    power_cycle) ;;
    gpu_reset) gpus_reset || refused=$said ;;
    rebuild) system_forget ;;
    rebuild_all) disk_renew ;;
    *) fail ProvisionerError "'$(given what)' is not a service." ;;
  esac
  verb_prepare
  [ -z "$refused" ] || fail HostUnfit "The driver refuses to reset the GPUs ($refused); $M runs again as it was."
}

# system_forget : the next start makes the container anew and runs the startup script again
system_forget() { rm -f "$T/began" "$T/startup_done"; }

# disk_renew : the key of the old disk is destroyed, and the next start makes a new disk; only the host key goes over
disk_renew() {
  host_key_keep
  system_forget
  rm -f "$T/made"
  "destroy_$(cat "$T/method" 2>/dev/null || echo none)"
  shred_file "$T/key"
  rm -f "$T/canaries" "$T/method" "$T/bytes"
}

# host_key_keep : for some seconds it lies beside the disk's key, so that a crash in between does not lose it
host_key_keep() {
  [ ! -e "$T/kept" ] || return 0
  scratch_open
  rm -rf "$T/keeping" && mkdir "$T/keeping"
  cp "$S/host_key" "$S/host_key.pub" "$T/keeping/"
  scratch_close
  mv "$T/keeping" "$T/kept"
  sync
}

host_key_restore() {
  [ -e "$T/kept" ] || return 0
  [ -s "$S/host_key" ] || { cp "$T/kept/host_key.pub" "$S/" && replace "$S/host_key" <"$T/kept/host_key"; }
  sync
  shred_file "$T/kept/host_key"
  rm -rf "$T/kept"
}
