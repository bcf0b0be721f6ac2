"""What the GPUs of a lease's machine did, drawn: a part of the lease's page, and a page of its own without scripts."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache

from accounts.access import principal_of
from accounts.clock import now
from accounts.views import allowed
from leasing.models import Machine
from leasing.queries import leases_of
from leasing.states import SERVING
from leasing.telemetry.charts import charts
from leasing.telemetry.partitions import HOUR, MINUTE
from leasing.telemetry.series import LONGEST, series, tenancy, xid_errors

SPANS = {"hour": "Last hour", "lease": "Whole lease"}


@never_cache
@allowed("lease:read")
def lease_telemetry(request: HttpRequest, id: str) -> HttpResponse:
    """One machine's GPUs in the last hour, by the minute, or in the whole lease, by the hour."""
    lease = get_object_or_404(leases_of(principal_of(request).organization), public_id=id)
    machines = [machine for machine in lease.machines.all() if machine.touched_at]
    machine = _chosen(machines, request.GET.get("machine", ""))
    span = "lease" if request.GET.get("span") == "lease" else "hour"
    shown = _drawn(machine, span) if machine else {}
    context = {"lease": lease, "machines": machines, "machine": machine, "spans": SPANS.items(), "span": span, **shown}
    part = "leasing/_telemetry.html" if request.headers.get("HX-Request") else "leasing/telemetry.html"
    return render(request, part, context)


def _chosen(machines: list[Machine], wanted: str) -> Machine | None:
    """The one that is wanted, else one that serves now, else the last that did."""
    by_id = {machine.public_id: machine for machine in machines}
    serving = (machine for machine in machines if machine.state in SERVING)
    return by_id.get(wanted) or next(serving, None) or next(reversed(machines), None)


def _drawn(machine: Machine, span: str) -> dict[str, object]:
    """The charts up to now, or up to the end of the tenancy."""
    moment = now()
    own = tenancy(machine, now=moment)
    if own is None:
        return {}
    begin, until = own
    step, longest = (HOUR, LONGEST * HOUR) if span == "lease" else (MINUTE, HOUR)
    since = max(begin, until - longest)
    stretch = {"since": since, "until": until, "now": moment}
    lines = series(machine, step=step, **stretch)
    return {
        **stretch,
        "charts": charts(lines, since=since, until=until, step=step),
        "gpus": len(lines),
        "energy_wh": sum(line.energy_wh for line in lines),
        "xid_errors": xid_errors(machine, **stretch),
        "live": machine.access_ended_at is None,
    }
