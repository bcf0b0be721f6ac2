"""What goes wrong with the machines of a lease, and what their tenant can have done about it."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.clock import now
from accounts.http.problems import Problem
from accounts.models import IllegalMove, Stale
from accounts.serializers import EventShown
from leasing import logs
from leasing.api.leases import LeaseView
from leasing.models import Machine
from leasing.operations import NoEqualNode, move_machine, service, swap
from leasing.provisioners.base import Log
from leasing.queries.machines import HAS_LOGS, events_of, machine_of, outages_of, possible, state_words
from leasing.serializers import MachineLogShown, MachineShown, OutageShown, Rebuild
from leasing.tasks import nudge_sites

LOG_SECONDS = 2  # until a log that was asked for is there, as a rule


class Outages(LeaseView):
    """The outages of a lease's machines."""

    serializer_class = OutageShown
    ordering = ("-began_at", "-id")
    required = {"GET": "lease:read"}

    @extend_schema(operation_id="leases_outages", summary="List a lease's outages", responses=OutageShown(many=True))
    def get(self, request: Request, id: str) -> Response:
        """When a machine did not serve you, with what the looks at it saw; newest first. None of it is charged."""
        page = self.paginate_queryset(outages_of(self.get_object()))
        return self.get_paginated_response(OutageShown(page, many=True).data)


class LeaseEvents(LeaseView):
    """What happened to a lease and its machines."""

    serializer_class = EventShown
    ordering = ("-at", "-id")
    required = {"GET": "lease:read"}

    @extend_schema(operation_id="leases_events", summary="List a lease's events", responses=EventShown(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Changes of the lease, failures, break-fix and planned maintenance of its machines; newest first."""
        page = self.paginate_queryset(events_of(self.get_object()))
        return self.get_paginated_response(EventShown(page, many=True).data)


class MachineView(LeaseView):
    """One machine of a lease, named by `id` and `machine`."""

    serializer_class: type[BaseSerializer[Any]] = MachineShown

    def get_queryset(self) -> QuerySet[Any]:
        """That machine, if it is one of a lease of the caller's organization."""
        return machine_of(self.principal.organization, lease=self.kwargs["id"], machine=self.kwargs["machine"])

    def get_object(self) -> Machine:
        """The machine."""
        machine: Machine = get_object_or_404(self.get_queryset())
        return machine


class BreakFix(MachineView):
    """Something that is done to a machine while the lease goes on."""

    required = {"POST": "lease:write"}
    what = ""
    no_spare = "No equal node is free for the rest of the lease. Nothing is charged for this one while it is down."

    def done(self, machine: Machine, what: str) -> Response:
        """Hand it to the site's worker. Raises 409 `not_now` where the machine does not allow it."""
        if why := possible(machine)[self.what]:
            raise Problem(409, "not_now", "Not now", why)
        try:
            self.act(machine, what)
        except NoEqualNode as error:
            raise Problem(409, "no_equal_node", "No equal node is free", self.no_spare) from error
        except (IllegalMove, Stale) as error:
            raise Problem(409, "not_now", "Not now", "The machine has changed meanwhile. Look at it again.") from error
        transaction.on_commit(nudge_sites, robust=True)
        return Response(MachineShown(self.get_queryset().get()).data, status=202)

    def act(self, machine: Machine, what: str) -> None:
        """Raises NoEqualNode, IllegalMove, Stale."""
        service(machine=machine, what=what, actor=self.principal.actor, now=now())


class PowerCycle(BreakFix):
    """Off and on again."""

    what = "power_cycle"

    @extend_schema(
        operation_id="machines_power_cycle",
        summary="Power-cycle a machine",
        request=None,
        responses={202: MachineShown},
    )
    def post(self, request: Request, id: str, machine: str) -> Response:
        """Stop it hard and start it again. What runs on it ends; disks, keys and address stay. The meter runs on."""
        return self.done(self.get_object(), "power_cycle")


class GPUReset(BreakFix):
    """A reset of the GPUs."""

    what = "gpu_reset"

    @extend_schema(
        operation_id="machines_gpu_reset", summary="Reset a machine's GPUs", request=None, responses={202: MachineShown}
    )
    def post(self, request: Request, id: str, machine: str) -> Response:
        """Reset every GPU. What runs on the machine ends; its disks, keys and address stay. The meter runs on."""
        return self.done(self.get_object(), "gpu_reset")


class RebuildMachine(BreakFix):
    """A new system."""

    what = "rebuild"

    @extend_schema(
        operation_id="machines_rebuild", summary="Rebuild a machine", request=Rebuild, responses={202: MachineShown}
    )
    def post(self, request: Request, id: str, machine: str) -> Response:
        """Make its system anew from the image and run the startup script once more. All outside /scratch is lost, and
        with `keep_scratch: false` /scratch too. Keys and address stay. The meter runs on."""
        found = self.get_object()
        wanted = Rebuild(data=request.data)
        wanted.is_valid(raise_exception=True)
        return self.done(found, "rebuild" if wanted.validated_data["keep_scratch"] else "rebuild_all")


class Swap(BreakFix):
    """Another node in the place of one that failed."""

    what = "swap"

    @extend_schema(
        operation_id="machines_swap", summary="Swap a machine that is down", request=None, responses={202: MachineShown}
    )
    def post(self, request: Request, id: str, machine: str) -> Response:
        """Take an equal node in its place, at another address; what was on the failed one is lost and wiped. Nothing is
        charged until the new one is ready. 409 `no_equal_node` while none is free."""
        return self.done(self.get_object(), "swap")

    def act(self, machine: Machine, what: str) -> None:
        """Raises NoEqualNode, IllegalMove, Stale."""
        swap(machine=machine, actor=self.principal.actor, now=now())


class Move(BreakFix):
    """An equal node in the place of one that somebody has booked next."""

    what = "move"
    no_spare = "No equal node is free for as long as the plan guarantees. GET offers lists others."

    @extend_schema(
        operation_id="machines_move",
        summary="Move to an equal node with nothing booked behind it",
        request=None,
        responses={202: MachineShown},
    )
    def post(self, request: Request, id: str, machine: str) -> Response:
        """For an open-ended lease whose guarantee ends: take an equal node in the machine's place, at another address,
        and be guaranteed for the plan's whole time again. What is on the old node is lost and wiped. Nothing is charged
        until the new one is ready. 409 `not_now` where nothing is booked behind, `no_equal_node` while none is free."""
        return self.done(self.get_object(), "move")

    def act(self, machine: Machine, what: str) -> None:
        """Raises NoEqualNode, IllegalMove, Stale."""
        move_machine(machine=machine, actor=self.principal.actor, now=now())


class MachineLogs(MachineView):
    """What a machine's host printed."""

    serializer_class = MachineLogShown
    required = {"GET": "lease:read"}
    log: Log = "startup"

    def answer(self) -> Response:
        """The log, or 202 until it was read. Raises 409 `no_log` where nothing of the machine is on its host."""
        machine = self.get_object()
        if machine.state not in HAS_LOGS:
            raise Problem(409, "no_log", "No log", f"The machine is {state_words(machine)}: it has no logs.")
        row = logs.ask(machine=machine, which=self.log, now=now())
        if row.read_at is not None:
            return Response(MachineLogShown(row).data)
        transaction.on_commit(nudge_sites, robust=True)
        return Response(MachineLogShown(row).data, status=202, headers={"Retry-After": str(LOG_SECONDS)})


class StartupLog(MachineLogs):
    """The startup script's output."""

    @extend_schema(
        operation_id="machines_startup_log",
        summary="Read a machine's startup log",
        responses={200: MachineLogShown, 202: MachineLogShown},
    )
    def get(self, request: Request, id: str, machine: str) -> Response:
        """What the startup script printed, the last 64 KiB. 202 with Retry-After while the host is being asked."""
        return self.answer()


class ConsoleLog(MachineLogs):
    """The console."""

    log: Log = "console"

    @extend_schema(
        operation_id="machines_console_log",
        summary="Read a machine's console log",
        responses={200: MachineLogShown, 202: MachineLogShown},
    )
    def get(self, request: Request, id: str, machine: str) -> Response:
        """What the machine's first process printed, the last 64 KiB. 202 with Retry-After while the host is asked."""
        return self.answer()
