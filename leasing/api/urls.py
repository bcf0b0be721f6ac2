"""Addresses below /api/v1/. The leases themselves are shown and ordered in billing."""

from django.urls import path

from leasing.api import approvals, enrolments, fleet, interruptions, machines, setup
from leasing.api.certificates import CertificateKeys, SignedCertificate, WipeCertificate, WipeCertificatePDF
from leasing.api.files import LeaseFile
from leasing.api.leases import Rename, Transitions
from leasing.api.telemetry import Telemetry

MACHINE = "leases/<str:id>/machines/<str:machine>"
INTERRUPTION = "leases/<str:id>/interruptions/<str:interruption>"

urlpatterns = [
    path("leases/<str:id>/transitions", Transitions.as_view(), name="api_lease_transitions"),
    path("leases/<str:id>/files/<str:name>", LeaseFile.as_view(), name="api_lease_file"),
    path("leases/<str:id>/rename", Rename.as_view(), name="api_lease_rename"),
    path("leases/<str:id>/wipe-certificate", WipeCertificate.as_view(), name="api_lease_wipe_certificate"),
    path("operations/capacity", fleet.Capacity.as_view(), name="api_operations_capacity"),
    path("operations/blind-sites", fleet.BlindSites.as_view(), name="api_operations_blind_sites"),
    path("operations/nodes", fleet.Nodes.as_view(), name="api_operations_nodes"),
    path("operations/nodes/<str:id>", fleet.OneNode.as_view(), name="api_operations_node"),
    path("operations/nodes/<str:id>/cordon", fleet.Cordon.as_view(), name="api_operations_cordon"),
    path("operations/nodes/<str:id>/uncordon", fleet.Uncordon.as_view(), name="api_operations_uncordon"),
    path("operations/nodes/<str:id>/drain", fleet.Drain.as_view(), name="api_operations_drain"),
    path("operations/nodes/<str:id>/quarantine", fleet.Quarantine.as_view(), name="api_operations_quarantine"),
    path("operations/nodes/<str:id>/verify", fleet.Verify.as_view(), name="api_operations_verify"),
    path("operations/nodes/<str:id>/maintenance", fleet.NodeMaintenance.as_view(), name="api_operations_work"),
    path("operations/maintenance/<str:id>/finish", fleet.Finish.as_view(), name="api_operations_finish"),
    path("operations/maintenance/<str:id>/cancel", fleet.Cancel.as_view(), name="api_operations_cancel"),
    path("operations/maintenance/<str:id>/extend", fleet.Extend.as_view(), name="api_operations_extend"),
    path("leases/<str:id>/ssh-keys", setup.LeaseKeys.as_view(), name="api_lease_ssh_keys"),
    path("leases/<str:id>/ssh-keys/<path:key>", setup.OneLeaseKey.as_view(), name="api_lease_ssh_key"),
    path("leases/<str:id>/on-failure", setup.OnNodeFailure.as_view(), name="api_lease_on_failure"),
    path("leases/<str:id>/interruptions", interruptions.Interruptions.as_view(), name="api_lease_interruptions"),
    path(f"{INTERRUPTION}/ready", interruptions.Ready.as_view(), name="api_interruption_ready"),
    path(f"{INTERRUPTION}/more-time", interruptions.More.as_view(), name="api_interruption_more_time"),
    path("operations/leases/<str:id>/interruptions", interruptions.Announce.as_view(), name="api_operations_interrupt"),
    path("operations/interruptions/<str:id>/call-off", interruptions.CallOff.as_view(), name="api_operations_call_off"),
    path(
        "operations/interruptions/<str:id>/power-back",
        interruptions.PowerBack.as_view(),
        name="api_operations_power_back",
    ),
    path("leases/<str:id>/outages", machines.Outages.as_view(), name="api_lease_outages"),
    path("leases/<str:id>/events", machines.LeaseEvents.as_view(), name="api_lease_events"),
    path(f"{MACHINE}/power-cycle", machines.PowerCycle.as_view(), name="api_machine_power_cycle"),
    path(f"{MACHINE}/gpu-reset", machines.GPUReset.as_view(), name="api_machine_gpu_reset"),
    path(f"{MACHINE}/rebuild", machines.RebuildMachine.as_view(), name="api_machine_rebuild"),
    path(f"{MACHINE}/swap", machines.Swap.as_view(), name="api_machine_swap"),
    path(f"{MACHINE}/move", machines.Move.as_view(), name="api_machine_move"),
    path(f"{MACHINE}/logs/startup", machines.StartupLog.as_view(), name="api_machine_startup_log"),
    path(f"{MACHINE}/logs/console", machines.ConsoleLog.as_view(), name="api_machine_console_log"),
    path(
        "leases/<str:id>/wipe-certificate.json",
        SignedCertificate.as_view(),
        name="api_lease_wipe_certificate_json",
    ),
    path("leases/<str:id>/wipe-certificate.pdf", WipeCertificatePDF.as_view(), name="api_lease_wipe_certificate_pdf"),
    path("certificate-keys", CertificateKeys.as_view(), name="api_certificate_keys"),
    path("operations/enrolments", enrolments.Enrolments.as_view(), name="api_operations_enrolments"),
    path("operations/enrolments/<str:id>", enrolments.OneEnrolment.as_view(), name="api_operations_enrolment"),
    path("operations/enrolments/<str:id>/withdraw", enrolments.Withdraw.as_view(), name="api_operations_withdraw"),
    path("operations/approvals", approvals.Approvals.as_view(), name="api_operations_approvals"),
    path("operations/approvals/<str:id>/approve", approvals.Approve.as_view(), name="api_operations_approve"),
    path("operations/approvals/<str:id>/decline", approvals.Decline.as_view(), name="api_operations_decline"),
    path("leases/<str:id>/telemetry", Telemetry.as_view(), name="api_lease_telemetry"),
]
