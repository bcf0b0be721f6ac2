"""Addresses below /api/v1/. The leases themselves are shown and ordered in billing."""

from django.urls import path

from leasing.api import machines, setup
from leasing.api.leases import Rename, Return, Transitions, WipeCertificate

MACHINE = "leases/<str:id>/machines/<str:machine>"

urlpatterns = [
    path("leases/<str:id>/transitions", Transitions.as_view(), name="api_lease_transitions"),
    path("leases/<str:id>/return", Return.as_view(), name="api_lease_return"),
    path("leases/<str:id>/rename", Rename.as_view(), name="api_lease_rename"),
    path("leases/<str:id>/wipe-certificate", WipeCertificate.as_view(), name="api_lease_wipe_certificate"),
    path("leases/<str:id>/ssh-keys", setup.LeaseKeys.as_view(), name="api_lease_ssh_keys"),
    path("leases/<str:id>/ssh-keys/<path:key>", setup.OneLeaseKey.as_view(), name="api_lease_ssh_key"),
    path("leases/<str:id>/on-failure", setup.OnNodeFailure.as_view(), name="api_lease_on_failure"),
    path("leases/<str:id>/outages", machines.Outages.as_view(), name="api_lease_outages"),
    path("leases/<str:id>/events", machines.LeaseEvents.as_view(), name="api_lease_events"),
    path(f"{MACHINE}/power-cycle", machines.PowerCycle.as_view(), name="api_machine_power_cycle"),
    path(f"{MACHINE}/gpu-reset", machines.GPUReset.as_view(), name="api_machine_gpu_reset"),
    path(f"{MACHINE}/rebuild", machines.RebuildMachine.as_view(), name="api_machine_rebuild"),
    path(f"{MACHINE}/swap", machines.Swap.as_view(), name="api_machine_swap"),
    path(f"{MACHINE}/logs/startup", machines.StartupLog.as_view(), name="api_machine_startup_log"),
    path(f"{MACHINE}/logs/console", machines.ConsoleLog.as_view(), name="api_machine_console_log"),
]
