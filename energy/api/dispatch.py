"""Commands to sites, and grid events. For staff in the browser, as the fleet's part of the API."""

from collections.abc import Callable
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import operator_of
from accounts.clock import now
from accounts.http.problems import Problem, bad_field
from energy.access import MAY_COMMAND, MAY_LOOK
from energy.curtailing import BadEvent, call_off, confirm, preview
from energy.models import Command
from energy.ordering import CannotCommand, approve, decline, undo
from energy.queries.cockpit import commands_of
from energy.serializers.cockpit import CommandsAsked, CommandWhole
from energy.serializers.dispatch import CommandShown, EventAsked, EventConfirmed, GridEventShown
from leasing.api.fleet import OperatorView
from marketplace.models import Site


class Commands(OperatorView):
    """What sites are told."""

    serializer_class = CommandShown
    queryset = commands_of()
    ordering = ("-id",)
    required = {"GET": MAY_LOOK}

    @extend_schema(
        operation_id="operations_commands", summary="List commands", parameters=[CommandsAsked],
        responses=CommandShown(many=True),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """Every command with its reason, inputs and outcome; newest first."""
        asked = CommandsAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        page = self.paginate_queryset(commands_of(**asked.validated_data))
        return self.get_paginated_response(CommandShown(page, many=True).data)


class OneCommand(OperatorView):
    """One of them."""

    serializer_class = CommandWhole
    queryset = commands_of().prefetch_related("transitions")
    required = {"GET": MAY_LOOK}

    @extend_schema(operation_id="operations_command", summary="Show a command", responses=CommandWhole)
    def get(self, request: Request, id: str) -> Response:
        """With what happened to it, and who decided that."""
        return Response(CommandWhole(self.get_object()).data)


class Decide(OperatorView):
    """A decision on one of them."""

    serializer_class = CommandShown
    queryset = commands_of()
    required = {"POST": MAY_COMMAND}

    def decided(self, act: Callable[..., Command]) -> Response:
        """What `act` comes to. Raises 409 `not_now` where its state does not allow it."""
        try:
            row = act(command=self.get_object(), actor=operator_of(self.request), now=now())
        except CannotCommand as error:
            raise Problem(409, "not_now", "Not now", str(error)) from error
        return Response(CommandShown(row).data)


class Approve(Decide):
    """Yes."""

    @extend_schema(
        operation_id="operations_command_approve", summary="Approve a command", request=None, responses=CommandShown
    )
    def post(self, request: Request, id: str) -> Response:
        """Let a proposal be carried out at its time. 409 `not_now` if it is decided, or too old."""
        return self.decided(approve)


class Decline(Decide):
    """No."""

    @extend_schema(
        operation_id="operations_command_decline", summary="Decline a command", request=None, responses=CommandShown
    )
    def post(self, request: Request, id: str) -> Response:
        """Decline a proposal, or call off what nobody has taken yet. 409 `not_now` afterwards."""
        return self.decided(decline)


class Undo(Decide):
    """Back to before."""

    @extend_schema(
        operation_id="operations_command_undo", summary="Undo a command", request=None, responses=CommandShown
    )
    def post(self, request: Request, id: str) -> Response:
        """Tell the opposite of what was carried out, once; the answer is the new command. 409 `not_now` else."""
        return self.decided(undo)


class GridEvent(OperatorView):
    """The grid asks a site to draw less."""

    serializer_class: type[Any] = GridEventShown
    queryset = Site.objects.all()
    lookup_field = lookup_url_kwarg = "slug"
    required = {"POST": MAY_COMMAND}

    @extend_schema(
        operation_id="operations_grid_event",
        summary="Show a grid event's plan",
        request=EventAsked,
        responses=GridEventShown,
    )
    def post(self, request: Request, slug: str) -> Response:
        """Exactly what would be done, its cost, and whom it touches. Nothing is told before it is confirmed."""
        site, wanted, moment = self.get_object(), self.asked(EventAsked), now()
        try:
            found = preview(site=site, now=moment, **{"starts_at": moment, **wanted})
        except BadEvent as error:
            raise bad_field(error.field, error.message) from error
        return Response(GridEventShown(found).data)


class ConfirmEvent(OperatorView):
    """The plan that was shown is carried out."""

    serializer_class = CommandShown
    required = {"POST": MAY_COMMAND}
    pagination_class = None

    @extend_schema(
        operation_id="operations_grid_event_confirm",
        summary="Confirm a grid event",
        request=EventConfirmed,
        responses=CommandShown(many=True),
    )
    def post(self, request: Request) -> Response:
        """Make the commands of a plan that was shown within five minutes. A retry makes none, and answers []."""
        try:
            made = confirm(token=self.asked(EventConfirmed)["token"], actor=operator_of(request), now=now())
        except BadEvent as error:
            raise bad_field("token", error.message) from error
        return Response(CommandShown(made, many=True).data)


class CallOffEvent(OperatorView):
    """An event is over before its time."""

    serializer_class = CommandShown
    required = {"POST": MAY_COMMAND}
    pagination_class = None

    @extend_schema(
        operation_id="operations_grid_event_call_off", summary="Call a grid event off", request=None,
        responses=CommandShown(many=True),
    )  # fmt: skip
    def post(self, request: Request, id: str) -> Response:
        """
        Tell the opposite of all that was told for it, and nothing more of the rest; the answer is its commands as they
        are now. What is being told just now is undone once it was. A retry changes nothing.
        """
        try:
            rows = call_off(event=id, actor=operator_of(request), now=now())
        except BadEvent as error:
            raise Http404 from error
        return Response(CommandShown(rows, many=True).data)
