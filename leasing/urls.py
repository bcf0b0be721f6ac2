"""Addresses of pages."""

from django.urls import path

from leasing.views import leases, telemetry

urlpatterns = [
    path("leases/<str:id>/return/", leases.lease_return, name="lease_return"),
    path("leases/<str:id>/rename/", leases.lease_rename, name="lease_rename"),
    path("leases/<str:id>/telemetry/", telemetry.lease_telemetry, name="lease_telemetry"),
]
