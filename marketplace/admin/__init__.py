"""The operator's stock: places, machines, what is sold and for how much."""

from marketplace.admin.made_of import GPUModelAdmin, GridZoneAdmin, ImageAdmin, NodeTypeAdmin, SiteAdmin
from marketplace.admin.sale import OfferAdmin, PlanAdmin, RateAdmin
from marketplace.admin.stock import NodeAdmin, PoolAdmin

__all__ = [
    "GPUModelAdmin",
    "GridZoneAdmin",
    "ImageAdmin",
    "NodeAdmin",
    "NodeTypeAdmin",
    "OfferAdmin",
    "PlanAdmin",
    "PoolAdmin",
    "RateAdmin",
    "SiteAdmin",
]
