"""What staff says of a host that is to become a node, and every reason not to begin with it."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from leasing.models import Enrolment
from leasing.operations.stocking import price_of
from leasing.states import ENROLMENT_FAILED_TWIN
from marketplace.models import Node, NodeType, Plan, Pool, Provisioner, Site
from marketplace.states import NodeState

LONGEST_PRIVATE_KEY = 16_384  # characters

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,58}[a-z0-9])?")
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_BMC = re.compile(r"https?://[^\s/]+(/\S*)?")


class BadEnrolment(Exception):
    """The host cannot be enrolled as asked; the message says why and what helps. `field` names what to change."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Asked:
    """
    A host by address, the way in for the first time, and how it is to be sold.

    Without `node_type` it becomes whatever it turns out to be; without a `fingerprint` the host key that answers first
    is believed; without a price the offer's stays.
    """

    site: Site
    name: str
    provisioner: str
    plan: Plan
    address: str = ""
    port: int = 22
    user: str = "root"
    fingerprint: str = ""
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    node_type: NodeType | None = None
    micros_per_node_hour: int | None = None
    bmc_address: str = ""
    bmc_user: str = ""
    bmc_password: str = field(default="", repr=False)

    @property
    def simulated(self) -> bool:
        """Whether no machine stands behind it: it has no address of its own, and is what it is said to be."""
        return self.provisioner == Provisioner.SANDBOX


def check(asked: Asked, now: datetime) -> None:
    """
    :raises BadEnrolment: for the first thing that is not as it must be
    """
    _check_reach(asked)
    _check_credentials(asked)
    _check_bmc(asked)
    _check_sale(asked, now)
    check_free(asked.site, name=asked.name, address=asked.address, port=asked.port)


def _check_reach(asked: Asked) -> None:
    if not _NAME.fullmatch(asked.name):
        raise BadEnrolment("Use 1 to 60 lower-case letters, digits, dots and hyphens.", field="name")
    if asked.simulated != (asked.address == ""):
        words = "A simulated node has no address: leave it empty." if asked.simulated else "Say where it is reached."
        raise BadEnrolment(words, field="address")
    if asked.address and not _is_address(asked.address):
        raise BadEnrolment("Use an IP address or a host name, without a port or “ssh://”.", field="address")
    if not 1 <= asked.port <= 65535:
        raise BadEnrolment("A port is a number from 1 to 65535.", field="port")
    if not _USER.fullmatch(asked.user):
        raise BadEnrolment("Use the name of a Linux user, such as root.", field="user")
    if asked.fingerprint and not _FINGERPRINT.fullmatch(asked.fingerprint):
        words = "Copy it as “ssh-keygen -lf” prints it on the host: SHA256: and 43 characters. Empty: not checked."
        raise BadEnrolment(words, field="fingerprint")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return bool(_HOST_NAME.fullmatch(text)) and not re.fullmatch(r"[\d.]+", text)
    return True


def _check_credentials(asked: Asked) -> None:
    if asked.password and asked.private_key:
        raise BadEnrolment("Give a password or a private key, not both.", field="password")
    if asked.private_key and not _is_private_key(asked.private_key):
        words = "This is not a private key without a passphrase. Copy the whole file, from -----BEGIN to END-----."
        raise BadEnrolment(words, field="private_key")


def _is_private_key(text: str) -> bool:
    if len(text) > LONGEST_PRIVATE_KEY:
        return False
    load = load_ssh_private_key if "BEGIN OPENSSH" in text else load_pem_private_key
    try:
        load(text.strip().encode() + b"\n", password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _check_bmc(asked: Asked) -> None:
    if asked.bmc_address and not _BMC.fullmatch(asked.bmc_address):
        raise BadEnrolment("Use the address of its Redfish service, such as https://10.4.1.17.", field="bmc_address")
    if len({bool(asked.bmc_address), bool(asked.bmc_user), bool(asked.bmc_password)}) > 1:
        raise BadEnrolment(
            "Address, user and password of a BMC go together: give all three or none.", field="bmc_address"
        )


def _check_sale(asked: Asked, now: datetime) -> None:
    if asked.simulated and asked.node_type is None:
        raise BadEnrolment("Choose one: a simulated node is what it is said to be.", field="node_type")
    if asked.micros_per_node_hour is not None and asked.micros_per_node_hour < 0:
        raise BadEnrolment("A price is not below 0.", field="micros_per_node_hour")
    if asked.micros_per_node_hour is None and asked.node_type is not None:
        pool = Pool.objects.filter(site=asked.site, node_type=asked.node_type, provisioner=asked.provisioner).first()
        if price_of(pool, asked.plan, now) is None:
            raise no_price(asked.site, asked.node_type, asked.plan)


def no_price(site: Site, node_type: NodeType, plan: Plan) -> BadEnrolment:
    """Nothing says what the node would cost."""
    words = f"There is no price yet for {node_type.name} in {site.name} on the plan {plan.name}: give one."
    return BadEnrolment(words, field="micros_per_node_hour")


def check_free(site: Site, *, name: str, address: str, port: int, besides: Enrolment | None = None) -> None:
    """
    The name is nobody's, and no other node of the site is reached there. Hold the site's row: it is not kept otherwise.

    :raises BadEnrolment: if it is taken, naming by which node or enrolment
    """
    under_way = Enrolment.objects.filter(state__in=sorted(ENROLMENT_FAILED_TWIN))
    if besides is not None:
        under_way = under_way.exclude(pk=besides.pk)
    if Node.objects.filter(name=name).exists():
        raise BadEnrolment(f"There is a node {name}. Choose another name, or retire that one first.", field="name")
    if other := under_way.filter(name=name).first():
        raise BadEnrolment(f"{name} is being enrolled already ({other.public_id}).", field="name")
    if not address:
        return
    there = Node.objects.filter(pool__site=site, address=address, port=port).exclude(state=NodeState.RETIRED).first()
    if there is not None:
        raise BadEnrolment(f"The node {there.name} of {site.name} is reached there. Retire it first.", field="address")
    if other := under_way.filter(site=site, address=address, port=port).first():
        raise BadEnrolment(f"{other.name} is being enrolled there ({other.public_id}).", field="address")
