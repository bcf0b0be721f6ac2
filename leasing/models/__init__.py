"""Everything `leasing` keeps: agreements, the periods they take, the machines that serve them, and wipe records."""

from leasing.models.claim import Claim
from leasing.models.lease import Lease, LeaseKey, Transition
from leasing.models.machine import Machine, MachineTransition
from leasing.models.wipe import WipeRecord

__all__ = ["Claim", "Lease", "LeaseKey", "Machine", "MachineTransition", "Transition", "WipeRecord"]
