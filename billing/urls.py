"""Addresses of pages."""

from django.urls import path

from billing.views import leases, webhook

urlpatterns = [
    path("leases/", leases.leases, name="leases"),
    path("leases/<str:id>/", leases.lease, name="lease"),
    path("leases/<str:id>/panel/", leases.lease_panel, name="lease_panel"),
    path("stripe/webhook/", webhook.stripe, name="stripe-webhook"),
]
