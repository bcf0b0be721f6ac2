# What `gpu.nvidia_smi` puts before this: model, count, memory (MiB), node, serials, lost (indexes of GPUs), watts.
pci() { printf '00000000:%02X:00.0' $((16 + i)); }
uuid() { printf 'GPU-simulated-%s-%d' "$node" "$i"; }
serial() { printf '%s' "$(echo "$serials" | cut -d ' ' -f $((i + 1)))"; }
is_lost() { case " $lost " in *" $i "*) return 0 ;; *) return 1 ;; esac; }
rows() {
  i=0 status=0
  while [ "$i" -lt "$count" ]; do
    if is_lost; then
      echo "Unable to determine the device handle for GPU$i: $(pci): GPU is lost. SIMULATED." >&2
      status=15
    else
      "$1"
    fi
    i=$((i + 1))
  done
  return "$status"
}
list() { printf 'GPU %d: %s (UUID: %s) SIMULATED\n' "$i" "$model" "$(uuid)"; }
field() {
  case $1 in
    index) printf '%d' "$i" ;; count) printf '%d' "$count" ;;
    name|gpu_name) printf '%s' "$model" ;; uuid|gpu_uuid) uuid ;; serial|gpu_serial) serial ;;
    pci.bus_id|gpu_bus_id) pci ;;
    memory.total|memory.free) printf '%d%s' "$memory" "$mib" ;; memory.used) printf '0%s' "$mib" ;;
    utilization.gpu|utilization.memory) printf '0%s' "$percent" ;;
    temperature.gpu) printf '31' ;;
    power.draw|power.draw.instant|power.draw.average) printf '%d.00%s' $((watts / 10)) "$watt" ;;
    power.limit) printf '%d.00%s' "$watts" "$watt" ;;
    ecc.mode.current) printf 'Enabled' ;; mig.mode.current) printf 'Disabled' ;;
    ecc.errors.*) printf '0' ;;
    driver_version) printf 'SIMULATED' ;; *) printf '[N/A]' ;;
  esac
}
query() {
  separator=''
  for name in $(printf '%s' "$fields" | tr ',' ' '); do printf '%s' "$separator"; field "$name"; separator=', '; done
  printf '\n'
}
table() { printf '| %3d  %-34s SIMULATED |        0MiB / %6dMiB |\n' "$i" "$model" "$memory"; }
escaped() { printf '%s' "$1" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'; }
element() {
  cat <<GPU
	<gpu id="$(pci)">
		<product_name>$(escaped "$model")</product_name>
		<product_brand>SIMULATED</product_brand>
		<mig_mode><current_mig>Disabled</current_mig><pending_mig>Disabled</pending_mig></mig_mode>
		<serial>$(serial)</serial>
		<uuid>$(uuid)</uuid>
		<minor_number>$i</minor_number>
		<pci><pci_bus_id>$(pci)</pci_bus_id></pci>
		<fb_memory_usage><total>$memory MiB</total><reserved>0 MiB</reserved><used>0 MiB</used><free>$memory MiB</free></fb_memory_usage>
		<utilization><gpu_util>0 %</gpu_util><memory_util>0 %</memory_util></utilization>
		<ecc_mode><current_ecc>Enabled</current_ecc><pending_ecc>Enabled</pending_ecc></ecc_mode>
		<ecc_errors>
			<volatile>
				<sram_correctable>0</sram_correctable>
				<sram_uncorrectable_parity>0</sram_uncorrectable_parity>
				<sram_uncorrectable_secded>0</sram_uncorrectable_secded>
				<dram_correctable>0</dram_correctable>
				<dram_uncorrectable>0</dram_uncorrectable>
			</volatile>
			<aggregate><dram_correctable>0</dram_correctable><dram_uncorrectable>0</dram_uncorrectable></aggregate>
		</ecc_errors>
		<remapped_rows>
			<remapped_row_corr>0</remapped_row_corr>
			<remapped_row_unc>0</remapped_row_unc>
			<remapped_row_pending>No</remapped_row_pending>
			<remapped_row_failure>No</remapped_row_failure>
		</remapped_rows>
		<temperature><gpu_temp>31 C</gpu_temp></temperature>
		<gpu_power_readings>
			<power_draw>$((watts / 10)).00 W</power_draw>
			<current_power_limit>$watts.00 W</current_power_limit>
		</gpu_power_readings>
		<processes></processes>
	</gpu>
GPU
}
document() {
  echo '<?xml version="1.0" ?>'
  echo '<nvidia_smi_log>'
  printf '\t<driver_version>SIMULATED</driver_version>\n\t<cuda_version>SIMULATED</cuda_version>\n'
  printf '\t<attached_gpus>%d</attached_gpus>\n' "$count"
  rows element
  status=$?
  echo '</nvidia_smi_log>'
  return "$status"
}
fields='' mib=' MiB' percent=' %' watt=' W' header=yes xml=''
for argument in "$@"; do
  case $argument in
    -L|--list-gpus) rows list; exit ;;
    -x|--xml-format) xml=yes ;;
    --query-gpu=*) fields=${argument#*=} ;;
    --query-compute-apps=*) exit 0 ;;
    --format=*) case $argument in *noheader*) header='' ;; esac
                case $argument in *nounits*) mib='' percent='' watt='' ;; esac ;;
  esac
done
if [ -n "$xml" ]; then
  document; exit
fi
if [ -n "$fields" ]; then
  [ -z "$header" ] || printf '%s\n' "$fields" | sed 's/,/, /g'
  rows query; exit
fi
echo 'SIMULATED NVIDIA-SMI: no GPU is behind this node; figures are those of its node type.'
[ "$count" -gt 0 ] || echo 'This node type has no GPU.'
rows table
