"""Addresses of the API."""

from django.urls import path

from energy.api.ledger import LeaseEnergy

urlpatterns = [path("leases/<str:id>/energy", LeaseEnergy.as_view(), name="api_lease_energy")]
