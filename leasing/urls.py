"""Addresses of pages."""

from django.urls import path

from leasing.views import enrolments, fleet, leases, maintenance, upkeep

urlpatterns = [
    path("leases/<str:id>/return/", leases.lease_return, name="lease_return"),
    path("leases/<str:id>/rename/", leases.lease_rename, name="lease_rename"),
    path("operations/fleet/", fleet.fleet_capacity, name="fleet"),
    path("operations/fleet/nodes/", fleet.fleet_nodes, name="fleet_nodes"),
    path("operations/fleet/nodes/<str:id>/", fleet.fleet_node, name="fleet_node"),
    path("operations/fleet/nodes/<str:id>/plan/", maintenance.fleet_plan, name="fleet_plan"),
    path("operations/fleet/nodes/<str:id>/<str:what>/", upkeep.fleet_change, name="fleet_change"),
    path("operations/fleet/maintenance/", fleet.fleet_maintenance, name="fleet_maintenance"),
    path("operations/fleet/maintenance/<str:id>/<str:what>/", maintenance.fleet_work, name="fleet_work"),
    path("operations/enrolments/", enrolments.enrolment_list, name="enrolments"),
    path("operations/enrolments/new/", enrolments.enrolment_new, name="enrolment_new"),
    path("operations/enrolments/file/", enrolments.enrolment_file, name="enrolment_file"),
    path("operations/enrolments/<str:id>/", enrolments.enrolment, name="enrolment"),
    path("operations/enrolments/<str:id>/panel/", enrolments.enrolment_panel, name="enrolment_panel"),
    path("operations/enrolments/<str:id>/withdraw/", enrolments.enrolment_withdraw, name="enrolment_withdraw"),
]
