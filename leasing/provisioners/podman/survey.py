"""What a host's own tools told of it (see node/survey.sh), as an inventory."""

from leasing.inspection import linux, nvidia
from leasing.inspection.inventory import Inventory
from leasing.provisioners.base import Host
from leasing.provisioners.podman.command import command, sections

ASKED = {"disks": linux.LSBLK, "cpu": linux.LSCPU, "memory": linux.MEMINFO, "nics": linux.NICS}
SECONDS = 180.0
MIB_PER_GIB = 1024


def inventory(host: Host) -> Inventory:
    """
    The whole host, gathered by one command.

    :raises nvidia.Unreadable: if a tool printed something else than it does
    """
    answer = command(host, "inspect", "host", timeout=SECONDS, **ASKED)
    hostname, kernel, boot_id, free_mib = next(line[1:] for line in answer if line[0] == "host")
    printed = sections(answer)
    cpu, vcpus = linux.cpu(printed["cpu"])
    return Inventory(
        hostname=hostname,
        kernel=kernel,
        boot_id=boot_id,
        cpu=cpu,
        vcpus=vcpus,
        memory_gb=linux.memory_gb(printed["memory"]),
        free_gb=int(free_mib) // MIB_PER_GIB,
        gpus=nvidia.gpus(printed["gpus"], links=printed["links"]) if "gpus" in printed else (),
        disks=linux.disks(printed["disks"]),
        nics=linux.nics(printed["nics"]),
    )
