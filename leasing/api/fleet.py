"""The operator's part of the API: the fleet, and what staff does to a node. For staff in the browser; see ADR 14."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer

from accounts.access import operator_of
from accounts.clock import now
from accounts.http.permissions import OperatorAllowed
from accounts.http.problems import Problem, bad_field
from leasing.access import MAY_CHANGE, MAY_LOOK
from leasing.models import Maintenance
from leasing.operations.maintaining import (
    WindowTaken,
    cancel_maintenance,
    extend_maintenance,
    finish_maintenance,
    plan_maintenance,
)
from leasing.operations.upkeep import (
    REFUSALS,
    Cleared,
    cordon,
    drain,
    quarantine,
    release_from_quarantine,
    uncordon,
)
from leasing.queries.fleet import blind_sites, capacity, fleet
from leasing.serializers.fleet import (
    BlindSiteShown,
    CapacityShown,
    ClaimShown,
    ClearedShown,
    DrainAsked,
    EndAsked,
    FleetAsked,
    MaintenanceShown,
    NodeShown,
    Why,
    WorkAsked,
)
from marketplace.queries import BadPeriod


class OperatorView(GenericAPIView[Any]):
    """For the operator's staff. Subclasses say in `required` which permission each method needs."""

    required: ClassVar[dict[str, str]] = {}
    permission_classes = [OperatorAllowed]
    lookup_field = "public_id"
    lookup_url_kwarg = "id"

    def do(self, act: Callable[..., Any], **wanted: Any) -> Any:
        """
        What `act` comes to, done by the caller now.

        :raises Problem: 409 where the state or the calendar does not allow it, saying what does
        :raises ValidationError: for a period that cannot be
        """
        try:
            return act(actor=operator_of(self.request), now=now(), **wanted)
        except WindowTaken as taken:
            conflicts = ClaimShown(taken.claims, many=True).data
            more = {"conflicts": conflicts, "free_from": taken.free_from}
            raise Problem(409, "window_taken", "The node is taken", str(taken), **more) from taken
        except BadPeriod as error:
            raise bad_field(error.field, error.message) from error
        except REFUSALS as error:
            raise Problem(409, "not_now", "Not possible now", str(error)) from error

    def asked(self, kind: type[Any]) -> dict[str, Any]:
        """The request's body, checked."""
        wanted = kind(data=self.request.data)
        wanted.is_valid(raise_exception=True)
        return dict(wanted.validated_data)


class Capacity(OperatorView):
    """How many nodes are what."""

    serializer_class = CapacityShown
    required = {"GET": MAY_LOOK}
    pagination_class = None

    @extend_schema(
        operation_id="operations_capacity", summary="Show the fleet's capacity", responses=CapacityShown(many=True)
    )
    def get(self, request: Request) -> Response:
        """Every site and node type, counted: delivered, healthy, free, reserved, in use, and what is out of stock."""
        return Response(CapacityShown(capacity(), many=True).data)


class BlindSites(OperatorView):
    """Where nobody looks."""

    serializer_class = BlindSiteShown
    required = {"GET": MAY_LOOK}
    pagination_class = None

    @extend_schema(
        operation_id="operations_blind_sites", summary="Show blind sites", responses=BlindSiteShown(many=True)
    )
    def get(self, request: Request) -> Response:
        """Sites whose watcher has written nothing for two minutes, the longest first; none where all is well."""
        return Response(BlindSiteShown(blind_sites(), many=True).data)


class Nodes(OperatorView):
    """The fleet."""

    serializer_class = NodeShown
    queryset = fleet()
    ordering = ("name", "id")
    required = {"GET": MAY_LOOK}

    @extend_schema(
        operation_id="operations_nodes",
        summary="List nodes",
        parameters=[FleetAsked],
        responses=NodeShown(many=True),
    )
    def get(self, request: Request) -> Response:
        """Nodes by name; retired ones only where `state` asks for them."""
        asked = FleetAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        page = self.paginate_queryset(fleet(**asked.validated_data))
        return self.get_paginated_response(NodeShown(page, many=True).data)


class NodeView(OperatorView):
    """One node, named by `id`."""

    serializer_class: type[ModelSerializer[Any]] = NodeShown
    required = {"POST": MAY_CHANGE}

    def get_queryset(self) -> Any:
        """Every node, also a retired one."""
        return fleet(retired=True)

    def shown(self) -> Response:
        """The node as it is now."""
        return Response(NodeShown(self.get_object()).data)

    def cleared(self, act: Callable[..., Cleared], **wanted: Any) -> Response:
        """The node as it is after `act`, with what became of its bookings."""
        done = self.do(act, node=self.get_object(), **wanted)
        shown = {"node": self.get_object(), "moved": done.moved, "staying": done.staying}
        return Response(ClearedShown(shown).data)


class OneNode(NodeView):
    """One node."""

    required = {"GET": MAY_LOOK}

    @extend_schema(operation_id="operations_node", summary="Show a node")
    def get(self, request: Request, id: str) -> Response:
        """One node."""
        return self.shown()


class Cordon(NodeView):
    """No new lease."""

    @extend_schema(operation_id="operations_cordon", summary="Cordon a node", request=Why, responses=NodeShown)
    def post(self, request: Request, id: str) -> Response:
        """Offer the node to nobody. The lease on it goes on, and so does what is booked. A retry does no harm."""
        self.do(cordon, node=self.get_object(), **self.asked(Why))
        return self.shown()


class Uncordon(NodeView):
    """On offer again."""

    @extend_schema(operation_id="operations_uncordon", summary="Uncordon a node", request=None, responses=NodeShown)
    def post(self, request: Request, id: str) -> Response:
        """Offer the node again, and call off a drain that is not done yet."""
        self.do(uncordon, node=self.get_object())
        return self.shown()


class Drain(NodeView):
    """Out of stock after its last tenant."""

    @extend_schema(operation_id="operations_drain", summary="Drain a node", request=DrainAsked, responses=ClearedShown)
    def post(self, request: Request, id: str) -> Response:
        """Take the node out of stock once nobody is on it: now, or after its last tenant's wipe.

        Bookings that have not begun move to equal nodes where one is free for all of their period. The drain waits for
        those in `staying`.
        """
        return self.cleared(drain, **self.asked(DrainAsked))


class Quarantine(NodeView):
    """Out of stock at once."""

    @extend_schema(
        operation_id="operations_quarantine", summary="Quarantine a node", request=Why, responses=ClearedShown
    )
    def post(self, request: Request, id: str) -> Response:
        """Take a node that nobody is on out of stock. Bookings move to equal nodes where one is free for them."""
        return self.cleared(quarantine, **self.asked(Why))


class Verify(NodeView):
    """Back through verification."""

    @extend_schema(operation_id="operations_verify", summary="Verify a node again", request=None, responses=NodeShown)
    def post(self, request: Request, id: str) -> Response:
        """Read and measure the node's parts again; work that is under way on it is finished by this."""
        self.do(release_from_quarantine, node=self.get_object())
        return self.shown()


class NodeMaintenance(NodeView):
    """Work on one node."""

    serializer_class = MaintenanceShown
    ordering = ("-starts_at", "-id")
    required = {"GET": MAY_LOOK, "POST": MAY_CHANGE}

    @extend_schema(
        operation_id="operations_node_maintenance", summary="List a node's work", responses=MaintenanceShown(many=True)
    )
    def get(self, request: Request, id: str) -> Response:
        """Planned and past work on the node, latest first."""
        page = self.paginate_queryset(self.get_object().maintenance.select_related("node"))
        return self.get_paginated_response(MaintenanceShown(page, many=True).data)

    @extend_schema(
        operation_id="operations_plan", summary="Plan work", request=WorkAsked, responses={201: MaintenanceShown}
    )
    def post(self, request: Request, id: str) -> Response:
        """Take the node for a window. 409 `window_taken` names the `conflicts`, and `free_from`, the next time."""
        planned = self.do(plan_maintenance, node=self.get_object(), **self.asked(WorkAsked))
        return Response(MaintenanceShown(planned).data, status=201)


class WorkView(OperatorView):
    """One piece of work, named by `id`."""

    serializer_class = MaintenanceShown
    queryset = Maintenance.objects.select_related("node")
    required = {"POST": MAY_CHANGE}

    def after(self, act: Callable[..., Any], **wanted: Any) -> Response:
        """The work as it is after `act`."""
        self.do(act, maintenance=self.get_object(), **wanted)
        return Response(MaintenanceShown(self.get_object()).data)


class Finish(WorkView):
    """The work is done."""

    @extend_schema(operation_id="operations_finish", summary="Finish work", request=None, responses=MaintenanceShown)
    def post(self, request: Request, id: str) -> Response:
        """Free the rest of the window and verify the node. Work that is not under way stays as it is."""
        return self.after(finish_maintenance)


class Cancel(WorkView):
    """The work is called off."""

    @extend_schema(operation_id="operations_cancel", summary="Call work off", request=None, responses=MaintenanceShown)
    def post(self, request: Request, id: str) -> Response:
        """Free the window, and tell the customer who was told of it. Work that is not planned stays as it is."""
        return self.after(cancel_maintenance)


class Extend(WorkView):
    """Another end."""

    @extend_schema(
        operation_id="operations_extend", summary="Change work's end", request=EndAsked, responses=MaintenanceShown
    )
    def post(self, request: Request, id: str) -> Response:
        """Move the window's end, as far as nobody else has the node."""
        return self.after(extend_maintenance, **self.asked(EndAsked))
