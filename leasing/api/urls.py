"""Addresses below /api/v1/. The leases themselves are shown and ordered in billing."""

from django.urls import path

from leasing.api import enrolments
from leasing.api.leases import Rename, Return, Transitions, WipeCertificate

urlpatterns = [
    path("leases/<str:id>/transitions", Transitions.as_view(), name="api_lease_transitions"),
    path("leases/<str:id>/return", Return.as_view(), name="api_lease_return"),
    path("leases/<str:id>/rename", Rename.as_view(), name="api_lease_rename"),
    path("leases/<str:id>/wipe-certificate", WipeCertificate.as_view(), name="api_lease_wipe_certificate"),
    path("operations/enrolments", enrolments.Enrolments.as_view(), name="api_operations_enrolments"),
    path("operations/enrolments/<str:id>", enrolments.OneEnrolment.as_view(), name="api_operations_enrolment"),
    path("operations/enrolments/<str:id>/withdraw", enrolments.Withdraw.as_view(), name="api_operations_withdraw"),
]
