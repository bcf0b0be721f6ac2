"""Addresses below /api/v1/."""

from django.urls import path

from marketplace.api.catalogue import GPUModels, Images, NodeTypes, Plans, Sites
from marketplace.api.offers import Offers, OfferWindows, OneOffer

urlpatterns = [
    path("offers", Offers.as_view(), name="api_offers"),
    path("offers/<str:id>", OneOffer.as_view(), name="api_offer"),
    path("offers/<str:id>/windows", OfferWindows.as_view(), name="api_offer_windows"),
    path("sites", Sites.as_view(), name="api_sites"),
    path("gpu-models", GPUModels.as_view(), name="api_gpu_models"),
    path("node-types", NodeTypes.as_view(), name="api_node_types"),
    path("images", Images.as_view(), name="api_images"),
    path("plans", Plans.as_view(), name="api_plans"),
]
