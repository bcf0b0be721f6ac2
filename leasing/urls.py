"""Addresses of pages."""

from django.urls import path

from leasing.views import (
    certificates,
    enrolments,
    files,
    fleet,
    interrupting,
    interruptions,
    machines,
    maintenance,
    setup,
    telemetry,
    upkeep,
)

MACHINE = "leases/<str:id>/machines/<str:machine>"

urlpatterns = [
    path("leases/<str:id>/files/<str:name>", files.lease_file, name="lease_file"),
    path("operations/fleet/", fleet.fleet_capacity, name="fleet"),
    path("operations/fleet/nodes/", fleet.fleet_nodes, name="fleet_nodes"),
    path("operations/fleet/nodes/<str:id>/", fleet.fleet_node, name="fleet_node"),
    path("operations/fleet/nodes/<str:id>/plan/", maintenance.fleet_plan, name="fleet_plan"),
    path("operations/fleet/nodes/<str:id>/<str:what>/", upkeep.fleet_change, name="fleet_change"),
    path("operations/fleet/maintenance/", fleet.fleet_maintenance, name="fleet_maintenance"),
    path("operations/fleet/maintenance/<str:id>/<str:what>/", maintenance.fleet_work, name="fleet_work"),
    path("operations/leases/<str:id>/interruptions/", interrupting.fleet_interruption, name="fleet_interruption"),
    path("leases/<str:id>/keys/", setup.lease_keys, name="lease_keys"),
    path("leases/<str:id>/keys/remove/", setup.lease_key_remove, name="lease_key_remove"),
    path("leases/<str:id>/interruptions/", interruptions.lease_interruptions, name="lease_interruptions"),
    path(
        "leases/<str:id>/interruptions/answer/",
        interruptions.lease_interruption_answer,
        name="lease_interruption_answer",
    ),
    path("leases/<str:id>/on-failure/", setup.lease_on_failure, name="lease_on_failure"),
    path(f"{MACHINE}/", machines.machine, name="machine"),
    path(f"{MACHINE}/power-cycle/", machines.machine_fix, {"what": "power_cycle"}, name="machine_power_cycle"),
    path(f"{MACHINE}/gpu-reset/", machines.machine_fix, {"what": "gpu_reset"}, name="machine_gpu_reset"),
    path(f"{MACHINE}/rebuild/", machines.machine_fix, {"what": "rebuild"}, name="machine_rebuild"),
    path(f"{MACHINE}/swap/", machines.machine_fix, {"what": "swap"}, name="machine_swap"),
    path(f"{MACHINE}/move/", machines.machine_fix, {"what": "move"}, name="machine_move"),
    path(f"{MACHINE}/logs/startup/", machines.machine_log, {"log": "startup"}, name="machine_startup_log"),
    path(f"{MACHINE}/logs/console/", machines.machine_log, {"log": "console"}, name="machine_console_log"),
    path("leases/<str:id>/wipe-certificate.json", certificates.as_json, name="lease_wipe_certificate_json"),
    path("leases/<str:id>/wipe-certificate.pdf", certificates.as_pdf, name="lease_wipe_certificate_pdf"),
    path("operations/enrolments/", enrolments.enrolment_list, name="enrolments"),
    path("operations/enrolments/new/", enrolments.enrolment_new, name="enrolment_new"),
    path("operations/enrolments/file/", enrolments.enrolment_file, name="enrolment_file"),
    path("operations/enrolments/<str:id>/", enrolments.enrolment, name="enrolment"),
    path("operations/enrolments/<str:id>/panel/", enrolments.enrolment_panel, name="enrolment_panel"),
    path("operations/enrolments/<str:id>/withdraw/", enrolments.enrolment_withdraw, name="enrolment_withdraw"),
    path("leases/<str:id>/telemetry/", telemetry.lease_telemetry, name="lease_telemetry"),
]
