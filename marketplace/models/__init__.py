"""Everything `marketplace` keeps: places, machines, prices."""

from marketplace.models.calendar import NodeCalendar, TimeMultiRangeField
from marketplace.models.catalogue import GPUModel, Image, Measure, NodeType, Target
from marketplace.models.node import OFFERED_PROVISIONERS, Node, NodeTransition, Pool, Provisioner
from marketplace.models.offer import OPEN_ENDED, Offer, Plan, PlanAccess, PlanKind, Rate
from marketplace.models.place import GridZone, Region, Site
from marketplace.models.power import PowerWindow
from marketplace.models.terms import ANNOUNCED_AHEAD, Steps, Terms

__all__ = [
    "ANNOUNCED_AHEAD",
    "OFFERED_PROVISIONERS",
    "OPEN_ENDED",
    "GPUModel",
    "GridZone",
    "Image",
    "Measure",
    "Node",
    "NodeCalendar",
    "NodeTransition",
    "NodeType",
    "Offer",
    "Plan",
    "PlanAccess",
    "PlanKind",
    "Pool",
    "PowerWindow",
    "Provisioner",
    "Rate",
    "Region",
    "Site",
    "Steps",
    "Target",
    "Terms",
    "TimeMultiRangeField",
]
