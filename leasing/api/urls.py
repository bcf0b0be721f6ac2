"""Addresses below /api/v1/. The leases themselves are shown and ordered in billing."""

from django.urls import path

from leasing.api.certificates import CertificateKeys, SignedCertificate, WipeCertificate, WipeCertificatePDF
from leasing.api.leases import Rename, Return, Transitions

urlpatterns = [
    path("leases/<str:id>/transitions", Transitions.as_view(), name="api_lease_transitions"),
    path("leases/<str:id>/return", Return.as_view(), name="api_lease_return"),
    path("leases/<str:id>/rename", Rename.as_view(), name="api_lease_rename"),
    path("leases/<str:id>/wipe-certificate", WipeCertificate.as_view(), name="api_lease_wipe_certificate"),
    path(
        "leases/<str:id>/wipe-certificate.json",
        SignedCertificate.as_view(),
        name="api_lease_wipe_certificate_json",
    ),
    path("leases/<str:id>/wipe-certificate.pdf", WipeCertificatePDF.as_view(), name="api_lease_wipe_certificate_pdf"),
    path("certificate-keys", CertificateKeys.as_view(), name="api_certificate_keys"),
]
