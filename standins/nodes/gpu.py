"""`nvidia-smi` as a simulated node has it: a shell script that reports the node type's GPUs and says so."""

from pathlib import Path
from shlex import quote
from typing import Any

TEMPLATE = """#!/bin/sh
# SIMULATED: this node has no GPU. It reports what the node type would have.
model={model}; count={count}; memory={memory}; node={node}
rows() {{
  i=0
  while [ "$i" -lt "$count" ]; do "$1"; i=$((i + 1)); done
}}
uuid() {{ printf 'GPU-simulated-%s-%d' "$node" "$i"; }}
list() {{ printf 'GPU %d: %s (UUID: %s) SIMULATED\\n' "$i" "$model" "$(uuid)"; }}
field() {{
  case $1 in
    index) printf '%d' "$i" ;; count) printf '%d' "$count" ;;
    name|gpu_name) printf '%s' "$model" ;; uuid|gpu_uuid) uuid ;;
    memory.total|memory.free) printf '%d%s' "$memory" "$mib" ;; memory.used) printf '0%s' "$mib" ;;
    utilization.gpu) printf '0%s' "$percent" ;; driver_version) printf 'SIMULATED' ;; *) printf '[N/A]' ;;
  esac
}}
query() {{
  separator=''
  for name in $(printf '%s' "$fields" | tr ',' ' '); do printf '%s' "$separator"; field "$name"; separator=', '; done
  printf '\\n'
}}
table() {{ printf '| %3d  %-34s SIMULATED |        0MiB / %6dMiB |\\n' "$i" "$model" "$memory"; }}
fields=''; mib=' MiB'; percent=' %'; header=yes
for argument in "$@"; do
  case $argument in
    -L|--list-gpus) rows list; exit 0 ;;
    --query-gpu=*) fields=${{argument#*=}} ;;
    --query-compute-apps=*) exit 0 ;;
    --format=*) case $argument in *noheader*) header='' ;; esac
                case $argument in *nounits*) mib=''; percent='' ;; esac ;;
  esac
done
if [ -n "$fields" ]; then
  [ -z "$header" ] || printf '%s\\n' "$fields" | sed 's/,/, /g'
  rows query; exit 0
fi
echo 'SIMULATED NVIDIA-SMI: no GPU is behind this node; figures are those of its node type.'
[ "$count" -gt 0 ] || echo 'This node type has no GPU.'
rows table
"""


def nvidia_smi(node: str, facts: dict[str, Any]) -> str:
    """The script for a node with these facts; memory is given per GPU in GB and shown in MiB, as the real one does."""
    return TEMPLATE.format(
        node=quote(node),
        model=quote(str(facts.get("gpu_model") or "no GPU")),
        count=int(facts.get("gpu_count") or 0),
        memory=int(float(facts.get("gpu_memory_gb") or 0) * 1024),
    )


def install(folder: Path, node: str, facts: dict[str, Any]) -> None:
    """Puts the script into `folder`, readable and executable by the tenant and writable by nobody else."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "nvidia-smi"
    script.write_text(nvidia_smi(node, facts))
    script.chmod(0o755)
    folder.chmod(0o755)
