"""Interruptions of a lease: what is announced, and the tenant's two answers; staff announces them and ends them."""

from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from accounts.access import operator_of
from accounts.clock import now
from accounts.http.problems import Problem
from accounts.models import IllegalMove, Stale
from leasing.access import MAY_CHANGE
from leasing.api.fleet import OperatorView
from leasing.api.leases import LeaseView
from leasing.models import Interruption, Lease
from leasing.operations import CannotInterrupt, ask_for_more, call_off, power_back, ready, schedule_interruption
from leasing.queries.interruptions import interruptions_of
from leasing.serializers.interruptions import InterruptionAsked, InterruptionShown, MoreTime
from leasing.tasks import nudge_sites


class Interruptions(LeaseView):
    """The interruptions of a lease."""

    serializer_class: type[BaseSerializer[Any]] = InterruptionShown
    ordering = ("-noticed_at", "-id")
    required = {"GET": "lease:read"}

    @extend_schema(
        operation_id="leases_interruptions",
        summary="List a lease's interruptions",
        responses=InterruptionShown(many=True),
    )
    def get(self, request: Request, id: str) -> Response:
        """When the lease was, is or will be paused for want of power; newest first. Only surplus leases are."""
        page = self.paginate_queryset(interruptions_of(self.get_object()))
        return self.get_paginated_response(InterruptionShown(page, many=True).data)


class Answer(LeaseView):
    """A tenant's answer to one of them."""

    required = {"POST": "lease:write"}
    serializer_class = InterruptionShown

    def get_queryset(self) -> QuerySet[Any]:
        """The interruptions of that lease, if it is one of the caller's organization."""
        lease = get_object_or_404(super().get_queryset(), public_id=self.kwargs["id"])
        return interruptions_of(lease).filter(public_id=self.kwargs["interruption"])

    def get_object(self) -> Interruption:
        """The interruption."""
        row: Interruption = get_object_or_404(self.get_queryset())
        return row

    def answer(self, row: Interruption, act: Callable[..., Interruption], **wanted: Any) -> Response:
        """What `act` comes to. Raises 409 `not_now` where it is too late for it."""
        try:
            act(interruption=row, actor=self.principal.actor, now=now(), **wanted)
        except CannotInterrupt as error:
            raise Problem(409, "not_now", "Not now", str(error)) from error
        transaction.on_commit(nudge_sites, robust=True)
        return Response(InterruptionShown(self.get_queryset().get()).data)


class Ready(Answer):
    """Ready before the notice is over."""

    @extend_schema(
        operation_id="interruptions_ready", summary="Be ready early", request=None, responses=InterruptionShown
    )
    def post(self, request: Request, id: str, interruption: str) -> Response:
        """Your work is saved: the lease is paused at once and not charged from now on, and the rest of the notice is
        written down in `short_seconds`, to be credited by rule. A retry changes nothing. 409 `not_now` once it has
        begun."""
        return self.answer(self.get_object(), ready)


class More(Answer):
    """A little more time."""

    @extend_schema(
        operation_id="interruptions_more_time",
        summary="Ask for more time",
        request=MoreTime,
        responses=InterruptionShown,
    )
    def post(self, request: Request, id: str, interruption: str) -> Response:
        """Let it begin later, once, by `more_seconds_left` at most. A retry changes nothing. 409 `not_now` where it has
        begun, was moved before, or the terms do not allow so much."""
        row, wanted = self.get_object(), MoreTime(data=request.data)
        wanted.is_valid(raise_exception=True)
        return self.answer(row, ask_for_more, **wanted.validated_data)


class Announce(OperatorView):
    """Staff announces an interruption."""

    serializer_class = InterruptionShown
    queryset = Lease.objects.all()
    required = {"POST": MAY_CHANGE}

    @extend_schema(
        operation_id="operations_interrupt",
        summary="Announce an interruption",
        request=InterruptionAsked,
        responses={201: InterruptionShown},
    )
    def post(self, request: Request, id: str) -> Response:
        """Announce that a surplus lease will be paused: its customer is told at once. 409 `not_now` for another kind of
        lease, less than its notice, or more than its budget of 30 days."""
        lease, wanted = self.get_object(), self.asked(InterruptionAsked)
        try:
            made = schedule_interruption(lease=lease, requested_by=operator_of(request), now=now(), **wanted)
        except CannotInterrupt as error:
            raise Problem(409, "not_now", "Not now", str(error)) from error
        transaction.on_commit(nudge_sites, robust=True)
        return Response(InterruptionShown(made).data, status=201)


class Change(OperatorView):
    """Staff changes one that is announced or goes on."""

    serializer_class = InterruptionShown
    queryset = Interruption.objects.select_related("lease__terms")
    required = {"POST": MAY_CHANGE}

    def done(self, act: Callable[..., Interruption]) -> Response:
        """What `act` comes to. Raises 409 `not_now` where its state does not allow it."""
        try:
            row = act(interruption=self.get_object(), actor=operator_of(self.request), now=now())
        except (IllegalMove, Stale) as error:
            raise Problem(409, "not_now", "Not now", "It has begun, or is over: say that power is back.") from error
        transaction.on_commit(nudge_sites, robust=True)
        return Response(InterruptionShown(row).data)


class CallOff(Change):
    """It does not take place."""

    @extend_schema(
        operation_id="operations_call_off",
        summary="Call an interruption off",
        request=None,
        responses=InterruptionShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """Call one off that has not begun; the customer is told. 409 `not_now` afterwards."""
        return self.done(call_off)


class PowerBack(Change):
    """It ends before its planned end."""

    @extend_schema(
        operation_id="operations_power_back",
        summary="Say that power is back",
        request=None,
        responses=InterruptionShown,
    )
    def post(self, request: Request, id: str) -> Response:
        """There is power for the lease again: it is resumed, or not paused at all. A retry changes nothing."""
        return self.done(power_back)
