"""What the API of this app reads and shows."""

from marketplace.serializers.asked import Availability, OfferFilter, WindowsAsked
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
    "Availability",
    "GPUModelShown",
    "ImageShown",
    "NodeTypeShown",
    "OfferFilter",
    "OfferShown",
    "PlanShown",
    "SiteShown",
    "WindowsAsked",
    "WindowsShown",
    "listing",
]
