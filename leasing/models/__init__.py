"""Everything `leasing` keeps: agreements, the periods they take, the machines that serve them, and wipe records."""

from leasing.models.announcement import TermsTold
from leasing.models.approval import Approval
from leasing.models.change import ChangeKind, LeaseChange
from leasing.models.claim import Claim
from leasing.models.energy import SUMMED, EnergyCounted, EnergySum, LeaseEnergy, summed
from leasing.models.enrolment import Enrolment, EnrolmentTransition, Inspection
from leasing.models.health import NodeHealth, Outage, OutageCause
from leasing.models.interruption import Interruption, InterruptionCause, InterruptionTransition
from leasing.models.lease import (
    ENVIRONMENT_BYTES,
    ENVIRONMENT_PURPOSE,
    PROJECT,
    PROJECT_LENGTH,
    PROJECT_WORDS,
    STARTUP_SCRIPT_BYTES,
    Lease,
    LeaseKey,
    OnFailure,
    Transition,
)
from leasing.models.limit import NodeLimit
from leasing.models.log import MachineLog
from leasing.models.machine import Machine, MachineTransition
from leasing.models.maintenance import Maintenance, MaintenanceState
from leasing.models.standby import Standby, StandbyTransition
from leasing.models.wipe import WipeRecord

__all__ = [
    "ENVIRONMENT_BYTES",
    "ENVIRONMENT_PURPOSE",
    "PROJECT",
    "PROJECT_LENGTH",
    "PROJECT_WORDS",
    "STARTUP_SCRIPT_BYTES",
    "SUMMED",
    "Approval",
    "ChangeKind",
    "Claim",
    "EnergyCounted",
    "EnergySum",
    "Enrolment",
    "EnrolmentTransition",
    "Inspection",
    "Interruption",
    "InterruptionCause",
    "InterruptionTransition",
    "Lease",
    "LeaseChange",
    "LeaseEnergy",
    "LeaseKey",
    "Machine",
    "MachineLog",
    "MachineTransition",
    "Maintenance",
    "MaintenanceState",
    "NodeHealth",
    "NodeLimit",
    "OnFailure",
    "Outage",
    "OutageCause",
    "Standby",
    "StandbyTransition",
    "TermsTold",
    "Transition",
    "WipeRecord",
    "summed",
]
