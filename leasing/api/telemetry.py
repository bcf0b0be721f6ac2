"""How busy, hot and hungry the GPUs of a lease's machines were."""

from datetime import datetime, timedelta
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import bad_field
from accounts.http.serializers import Moment, StrictSerializer
from leasing.api.leases import LeaseView
from leasing.models import Lease, Machine
from leasing.telemetry.partitions import HOUR
from leasing.telemetry.series import LONGEST, STEPS, series, xid_errors


class PointShown(serializers.Serializer[Any]):
    """One GPU in one step of time. A figure that the driver does not tell is null."""

    at = serializers.DateTimeField(help_text="When the step begins.")
    samples = serializers.IntegerField(help_text="How many 15-second samples it sums up.")
    utilization_percent = serializers.IntegerField(allow_null=True, help_text="The mean.")
    utilization_max_percent = serializers.IntegerField(allow_null=True)
    memory_max_mib = serializers.IntegerField(allow_null=True)
    temperature_max_c = serializers.IntegerField(allow_null=True)
    power_mw = serializers.IntegerField(allow_null=True, help_text="The mean, in milliwatts.")
    energy_wh = serializers.FloatField(allow_null=True, help_text="Used since the point before, in watt-hours.")


class GPUShown(serializers.Serializer[Any]):
    """One GPU's points, oldest first. Where there is no point, nothing was heard of it."""

    index = serializers.IntegerField()
    uuid = serializers.CharField()
    energy_wh = serializers.FloatField(help_text="All that it used in these points, in watt-hours.")
    points = PointShown(many=True)


class XidShown(serializers.Serializer[Any]):
    """An error that NVIDIA's driver reported."""

    at = serializers.DateTimeField()
    index = serializers.IntegerField(help_text="Which GPU.")
    code = serializers.IntegerField(help_text="Xid, such as 79: the GPU has fallen off the bus.")


class TelemetryShown(serializers.Serializer[Any]):
    """What one machine's GPUs did in a stretch of time."""

    lease = serializers.CharField()
    machine = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    step_seconds = serializers.IntegerField()
    gpus = GPUShown(many=True)
    xid_errors = XidShown(many=True)


class Asked(StrictSerializer):
    """The parameters of the address."""

    machine = serializers.CharField(required=False)
    until = Moment(required=False)
    step = serializers.ChoiceField(choices=sorted(STEPS), default="1m")

    def get_fields(self) -> dict[str, Any]:
        """With `from`, which is a word of Python."""
        return {**super().get_fields(), "from": Moment(required=False)}


class Telemetry(LeaseView):
    """The GPUs of one of a lease's machines over time."""

    serializer_class = TelemetryShown
    required = {"GET": "lease:read"}

    @extend_schema(
        operation_id="leases_telemetry",
        summary="Show a lease's GPU telemetry",
        responses=TelemetryShown,
        parameters=[
            OpenApiParameter("machine", str, description="mc_…; may be left out while the lease has only one."),
            OpenApiParameter("from", datetime, description="An hour before `until` if left out."),
            OpenApiParameter("until", datetime, description="Now if left out."),
            OpenApiParameter("step", str, enum=sorted(STEPS), description="1m if left out."),
        ],
    )
    def get(self, request: Request, id: str) -> Response:
        """Utilization, memory, temperature, power and energy of each GPU, and its Xid errors.

        Only from the lease's own time on the node. Samples of 15 seconds are kept for 7 days, minutes for 14, hours
        for good. A stretch may have 1,500 steps at most.
        """
        lease, moment = self.get_object(), now()
        asked = Asked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        machine, step = _machine(lease, asked.validated_data.get("machine")), STEPS[asked.validated_data["step"]]
        until = asked.validated_data.get("until", moment)
        since = asked.validated_data.get("from", until - HOUR)
        _bounded(since, until, step)
        stretch = {"since": since, "until": until, "now": moment}
        found = {
            "lease": lease.public_id,
            "machine": machine.public_id,
            **stretch,
            "step_seconds": step.total_seconds(),
            "gpus": series(machine, step=step, **stretch),
            "xid_errors": xid_errors(machine, **stretch),
        }
        return Response(TelemetryShown(found).data)


def _machine(lease: Lease, wanted: str | None) -> Machine:
    """The machine that is asked for, or the only one. Raises ValidationError."""
    machines = {machine.public_id: machine for machine in lease.machines.all()}
    if wanted is None and len(machines) == 1:
        return next(iter(machines.values()))
    if wanted not in machines:
        listed = ", ".join(machines) or "none yet"
        raise bad_field("machine", f"Name one of this lease's machines: {listed}.")
    return machines[wanted]


def _bounded(since: datetime, until: datetime, step: timedelta) -> None:
    """Raises ValidationError for a stretch that is empty or too long."""
    if since >= until:
        raise bad_field("from", "Must be before `until`.")
    steps = (until - since) // step
    if steps > LONGEST:
        longer = ", or for a longer `step`" if step < HOUR else ""
        many = f"These are {steps:,} steps of {step.total_seconds():.0f} s, and {LONGEST:,} is the most."
        raise bad_field("from", f"{many} Ask for a shorter time{longer}.")
