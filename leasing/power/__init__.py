"""Power and boot source of hosts, through Redfish. A driver is imported when first asked for, as provisioners are."""

from importlib import import_module
from typing import cast

from accounts import seal
from leasing.power.base import Ours, Overtaken, Power, PowerError, PowerRefused, PowerUnreachable
from marketplace.models import Node, Provisioner

__all__ = ["BMC_PURPOSE", "Overtaken", "Power", "PowerError", "PowerRefused", "PowerUnreachable", "power_of"]

BMC_PURPOSE = "bmc"  # under which `Node.bmc_password` is sealed


def power_of(node: Node, *, ours: Ours = lambda: True) -> Power | None:
    """
    The node's power switch; None for a node without a management controller. `ours` is asked before each command.

    :raises PowerError: if its password or its address cannot be read
    """
    if not node.bmc_address:
        return None
    kind = "fake.FakePower" if node.pool.provisioner == Provisioner.FAKE else "redfish.Redfish"
    module, _, name = kind.partition(".")
    driver = getattr(import_module(f"leasing.power.{module}"), name)
    return cast(Power, driver(address=node.bmc_address, user=node.bmc_user, password=_password(node), ours=ours))


def _password(node: Node) -> str:
    try:
        return seal.unseal(node.bmc_password, purpose=BMC_PURPOSE) if node.bmc_password else ""
    except seal.Unsealable as error:
        raise PowerRefused(f"The password of {node.name}'s BMC cannot be read. {error}") from error
