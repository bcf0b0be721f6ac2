"""Everything `marketplace` keeps: places, machines, prices."""

from marketplace.models.calendar import NodeCalendar, TimeMultiRangeField
from marketplace.models.catalogue import GPUModel, Image, Measure, NodeType, Target
from marketplace.models.node import Node, NodeTransition, Pool, Provisioner
from marketplace.models.offer import Offer, Plan, PlanKind, Rate
from marketplace.models.place import GridZone, Region, Site

__all__ = [
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
    "PlanKind",
    "Pool",
    "Provisioner",
    "Rate",
    "Region",
    "Site",
    "Target",
    "TimeMultiRangeField",
]
