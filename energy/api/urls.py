"""Addresses of the API."""

from django.urls import path

from energy.api import cockpit, dispatch, feeds
from energy.api.battery import SiteBattery
from energy.api.ledger import LeaseEnergy

COMMAND = "operations/power/commands/<str:id>"

urlpatterns = [
    path("leases/<str:id>/energy", LeaseEnergy.as_view(), name="api_lease_energy"),
    path("operations/power", cockpit.Power.as_view(), name="api_operations_power"),
    path("operations/power/sites/<slug:slug>", cockpit.PowerOfSite.as_view(), name="api_operations_power_site"),
    path("operations/power/sites/<slug:slug>/event", dispatch.GridEvent.as_view(), name="api_operations_grid_event"),
    path("operations/power/sites/<slug:slug>/battery", SiteBattery.as_view(), name="api_operations_battery"),
    path("operations/power/event/confirm", dispatch.ConfirmEvent.as_view(), name="api_operations_grid_event_confirm"),
    path(
        "operations/power/events/<str:id>/call-off",
        dispatch.CallOffEvent.as_view(),
        name="api_operations_grid_event_call_off",
    ),
    path("operations/power/feeds", feeds.Feeds.as_view(), name="api_operations_feeds"),
    path("operations/power/feeds/<str:id>/readings", feeds.Readings.as_view(), name="api_operations_feed_readings"),
    path("operations/power/commands", dispatch.Commands.as_view(), name="api_operations_commands"),
    path(COMMAND, dispatch.OneCommand.as_view(), name="api_operations_command"),
    path(f"{COMMAND}/approve", dispatch.Approve.as_view(), name="api_operations_command_approve"),
    path(f"{COMMAND}/decline", dispatch.Decline.as_view(), name="api_operations_command_decline"),
    path(f"{COMMAND}/undo", dispatch.Undo.as_view(), name="api_operations_command_undo"),
]
