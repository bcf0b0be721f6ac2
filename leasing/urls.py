"""Addresses of pages."""

from django.urls import path

from leasing.views import enrolments, leases

urlpatterns = [
    path("leases/<str:id>/return/", leases.lease_return, name="lease_return"),
    path("leases/<str:id>/rename/", leases.lease_rename, name="lease_rename"),
    path("operations/enrolments/", enrolments.enrolment_list, name="enrolments"),
    path("operations/enrolments/new/", enrolments.enrolment_new, name="enrolment_new"),
    path("operations/enrolments/file/", enrolments.enrolment_file, name="enrolment_file"),
    path("operations/enrolments/<str:id>/", enrolments.enrolment, name="enrolment"),
    path("operations/enrolments/<str:id>/panel/", enrolments.enrolment_panel, name="enrolment_panel"),
    path("operations/enrolments/<str:id>/withdraw/", enrolments.enrolment_withdraw, name="enrolment_withdraw"),
]
