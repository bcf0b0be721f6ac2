# What `podman_gpus` puts before this: model, memory (MiB), uuids, and state, a folder whose files say what is broken:
# `lost` (indexes of GPUs that fell off the bus), `hung` (nvidia-smi does not answer), `no_reset` (it refuses a reset).
place() { printf '00000000:%02X:00.0' $((59 + $1)); }
is_lost() { grep -qsx "$1" "$state/lost"; }

# each COMMAND : for every GPU that answers, with its index and UUID; the others are named as the driver does
each() {
  index=0 status=0
  for uuid in $uuids; do
    if is_lost "$index"; then
      echo "Unable to determine the device handle for GPU$index: $(place "$index"): Unknown Error" >&2
      status=255
    else
      "$1" "$index" "$uuid"
    fi
    index=$((index + 1))
  done
  return "$status"
}

list() { printf 'GPU %d: %s (UUID: %s) SIMULATED\n' "$1" "$model" "$2"; }
table() { printf '| %3d  %-34s SIMULATED |        0MiB / %6dMiB |\n' "$1" "$model" "$memory"; }
link() { printf 'GPU %d: %s (UUID: %s)\n' "$1" "$model" "$2"; }

field() {
  case $1 in
    index) echo "$2" ;; uuid | gpu_uuid) echo "$3" ;; count) echo "$uuids" | wc -w ;;
    name | gpu_name) echo "$model" ;; serial) serial "$2" ;; pci.bus_id) place "$2" ;;
    memory.total | memory.free) echo "$memory${units:+ MiB}" ;; memory.used) echo "0${units:+ MiB}" ;;
    utilization.gpu) echo "0${units:+ %}" ;; temperature.gpu) echo 31 ;; power.draw) echo "68.42${units:+ W}" ;;
    ecc.errors.uncorrected.volatile.total) echo 0 ;; driver_version) echo 550.90.07 ;; *) echo '[N/A]' ;;
  esac
}

query() {
  separator=''
  for name in $(printf '%s' "$fields" | tr ',' ' '); do
    printf '%s%s' "$separator" "$(field "$name" "$1" "$2")"
    separator=', '
  done
  echo
}

serial() { printf '165372302%04d' "$1"; }

element() {
  cat <<GPU
	<gpu id="$(place "$1")">
		<product_name>$model</product_name>
		<product_brand>NVIDIA</product_brand>
		<product_architecture>Hopper</product_architecture>
		<display_mode>Enabled</display_mode>
		<persistence_mode>Enabled</persistence_mode>
		<addressing_mode>None</addressing_mode>
		<mig_mode>
			<current_mig>Disabled</current_mig>
			<pending_mig>Disabled</pending_mig>
		</mig_mode>
		<serial>$(serial "$1")</serial>
		<uuid>$2</uuid>
		<minor_number>$1</minor_number>
		<vbios_version>96.00.89.00.01</vbios_version>
		<pci>
			<pci_bus_id>$(place "$1")</pci_bus_id>
		</pci>
		<fb_memory_usage>
			<total>$memory MiB</total>
			<reserved>564 MiB</reserved>
			<used>0 MiB</used>
			<free>$((memory - 564)) MiB</free>
		</fb_memory_usage>
		<utilization>
			<gpu_util>0 %</gpu_util>
			<memory_util>0 %</memory_util>
		</utilization>
		<ecc_mode>
			<current_ecc>Enabled</current_ecc>
			<pending_ecc>Enabled</pending_ecc>
		</ecc_mode>
		<ecc_errors>
			<volatile>
				<sram_correctable>0</sram_correctable>
				<sram_uncorrectable_parity>0</sram_uncorrectable_parity>
				<sram_uncorrectable_secded>0</sram_uncorrectable_secded>
				<dram_correctable>0</dram_correctable>
				<dram_uncorrectable>0</dram_uncorrectable>
			</volatile>
		</ecc_errors>
		<remapped_rows>
			<remapped_row_corr>0</remapped_row_corr>
			<remapped_row_unc>0</remapped_row_unc>
			<remapped_row_pending>No</remapped_row_pending>
			<remapped_row_failure>No</remapped_row_failure>
		</remapped_rows>
		<temperature>
			<gpu_temp>31 C</gpu_temp>
		</temperature>
		<gpu_power_readings>
			<power_draw>68.42 W</power_draw>
			<current_power_limit>700.00 W</current_power_limit>
		</gpu_power_readings>
		<processes>
		</processes>
	</gpu>
GPU
}

document() {
  cat <<HEAD
<?xml version="1.0" ?>
<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">
<nvidia_smi_log>
	<timestamp>$(date '+%a %b %e %H:%M:%S %Y')</timestamp>
	<driver_version>550.90.07</driver_version>
	<cuda_version>12.4</cuda_version>
	<attached_gpus>$(echo "$uuids" | wc -w)</attached_gpus>
HEAD
  each element
  status=$?
  echo '</nvidia_smi_log>'
  return "$status"
}

reset() {
  if [ -e "$state/no_reset" ]; then
    echo "GPU $(place 0) is currently in use by one or more other processes."
    return 1
  fi
  each reset_one && echo 'All done.'
}
reset_one() { echo "GPU $(place "$1") was successfully reset."; }

[ ! -e "$state/hung" ] || exec sleep 600
what=table fields='' units=yes header=yes
for argument in "$@"; do
  case $argument in
    -L | --list-gpus) what=list ;;
    -x | --xml-format) what=document ;;
    nvlink) what=link ;;
    -r | --gpu-reset) what=reset ;;
    --query-gpu=*) what=query fields=${argument#*=} ;;
    --query-compute-apps=*) exit 0 ;;
    --format=*) case $argument in *noheader*) header='' ;; esac
                case $argument in *nounits*) units='' ;; esac ;;
  esac
done
case $what in
  document | reset) "$what"; exit ;;
  query) [ -z "$header" ] || printf '%s\n' "$fields" | sed 's/,/, /g' ;;
  table) echo 'SIMULATED NVIDIA-SMI: no GPU is behind this host.' ;;
esac
each "$what"
