"""Addresses of pages."""

from django.urls import path

from leasing.views import certificates, leases

urlpatterns = [
    path("leases/<str:id>/return/", leases.lease_return, name="lease_return"),
    path("leases/<str:id>/rename/", leases.lease_rename, name="lease_rename"),
    path("leases/<str:id>/wipe-certificate.json", certificates.as_json, name="lease_wipe_certificate_json"),
    path("leases/<str:id>/wipe-certificate.pdf", certificates.as_pdf, name="lease_wipe_certificate_pdf"),
]
