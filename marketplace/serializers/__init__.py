"""What the API of this app reads and shows."""

from marketplace.serializers.asked import (
    MOST_MICROS,
    Availability,
    CalendarAsked,
    OfferCriteria,
    OfferFilter,
    OpeningsAsked,
    SameFabric,
    WindowsAsked,
)
from marketplace.serializers.listing import listing
from marketplace.serializers.shown import (
    CalendarShown,
    GPUModelShown,
    ImageShown,
    NodeTypeShown,
    OfferShown,
    OpeningShown,
    PlanShown,
    SiteShown,
    SiteWithPower,
    WindowsShown,
)

__all__ = [
    "MOST_MICROS",
    "Availability",
    "CalendarAsked",
    "CalendarShown",
    "GPUModelShown",
    "ImageShown",
    "NodeTypeShown",
    "OfferCriteria",
    "OfferFilter",
    "OfferShown",
    "OpeningShown",
    "OpeningsAsked",
    "PlanShown",
    "SameFabric",
    "SiteShown",
    "SiteWithPower",
    "WindowsAsked",
    "WindowsShown",
    "listing",
]
