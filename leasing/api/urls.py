"""Addresses below /api/v1/. The leases themselves are shown and ordered in billing."""

from django.urls import path

from leasing.api.leases import Rename, Return, Transitions, WipeCertificate
from leasing.api.telemetry import Telemetry

urlpatterns = [
    path("leases/<str:id>/transitions", Transitions.as_view(), name="api_lease_transitions"),
    path("leases/<str:id>/return", Return.as_view(), name="api_lease_return"),
    path("leases/<str:id>/rename", Rename.as_view(), name="api_lease_rename"),
    path("leases/<str:id>/wipe-certificate", WipeCertificate.as_view(), name="api_lease_wipe_certificate"),
    path("leases/<str:id>/telemetry", Telemetry.as_view(), name="api_lease_telemetry"),
]
