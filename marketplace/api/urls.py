"""Addresses below /api/v1/."""

from django.urls import path

from marketplace.api.catalogue import GPUModels, Images, NodeTypes, Plans, Sites
from marketplace.api.offers import Offers, OfferWindows, OneOffer
from marketplace.api.times import Earliest, OfferCalendar

urlpatterns = [
    path("offers", Offers.as_view(), name="api_offers"),
    path("offers/<str:id>", OneOffer.as_view(), name="api_offer"),
    path("offers/<str:id>/windows", OfferWindows.as_view(), name="api_offer_windows"),
    path("offers/<str:id>/calendar", OfferCalendar.as_view(), name="api_offer_calendar"),
    path("earliest", Earliest.as_view(), name="api_earliest"),
    path("sites", Sites.as_view(), name="api_sites"),
    path("gpu-models", GPUModels.as_view(), name="api_gpu_models"),
    path("node-types", NodeTypes.as_view(), name="api_node_types"),
    path("images", Images.as_view(), name="api_images"),
    path("plans", Plans.as_view(), name="api_plans"),
]
