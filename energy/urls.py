"""Addresses of pages."""

from django.urls import path

from energy.views import carbon, cockpit, feeds, ledger

urlpatterns = [
    path("carbon/", carbon.carbon, name="carbon"),
    path("leases/<str:id>/energy/", ledger.lease_energy, name="lease_energy"),
    path("leases/<str:id>/energy.csv", ledger.lease_energy_csv, name="lease_energy_csv"),
    path("operations/power/", cockpit.power, name="power"),
    path("operations/power/sites/<slug:slug>/", cockpit.power_site, name="power_site"),
    path("operations/power/sites/<slug:slug>/event/", cockpit.power_event, name="power_event"),
    path("operations/power/commands/<str:id>/", cockpit.power_command, name="power_command"),
    path("operations/power/feeds/", feeds.feed_list, name="power_feeds"),
    path("operations/power/feeds/<str:id>/", feeds.feed, name="power_feed"),
]
