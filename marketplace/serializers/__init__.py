"""What the API of this app reads and shows."""

from marketplace.serializers.asked import MOST_MICROS, Availability, OfferCriteria, OfferFilter, WindowsAsked
from marketplace.serializers.listing import listing
from marketplace.serializers.shown import (
    GPUModelShown,
    ImageShown,
    NodeTypeShown,
    OfferShown,
    PlanShown,
    SiteShown,
    WindowsShown,
)

__all__ = [
    "MOST_MICROS",
    "Availability",
    "GPUModelShown",
    "ImageShown",
    "NodeTypeShown",
    "OfferCriteria",
    "OfferFilter",
    "OfferShown",
    "PlanShown",
    "SiteShown",
    "WindowsAsked",
    "WindowsShown",
    "listing",
]
