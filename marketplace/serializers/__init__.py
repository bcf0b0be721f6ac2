"""What the API of this app reads and shows."""

from marketplace.serializers.asked import Availability, CalendarAsked, OfferFilter, OpeningsAsked, WindowsAsked
from marketplace.serializers.shown import (
    CalendarShown,
    GPUModelShown,
    ImageShown,
    NodeTypeShown,
    OfferShown,
    OpeningShown,
    PlanShown,
    SiteShown,
    WindowsShown,
)

__all__ = [
    "Availability",
    "CalendarAsked",
    "CalendarShown",
    "GPUModelShown",
    "ImageShown",
    "NodeTypeShown",
    "OfferFilter",
    "OfferShown",
    "OpeningShown",
    "OpeningsAsked",
    "PlanShown",
    "SiteShown",
    "WindowsAsked",
    "WindowsShown",
]
