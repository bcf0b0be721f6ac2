"""Addresses of pages."""

from django.urls import path

from energy.views import feeds, ledger

urlpatterns = [
    path("leases/<str:id>/energy/", ledger.lease_energy, name="lease_energy"),
    path("leases/<str:id>/energy.csv", ledger.lease_energy_csv, name="lease_energy_csv"),
    path("operations/power/feeds/", feeds.feed_list, name="power_feeds"),
    path("operations/power/feeds/<str:id>/", feeds.feed, name="power_feed"),
]
