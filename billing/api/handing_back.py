"""Handing agreed time back: what it costs and brings, returning, shortening."""

from datetime import datetime

from django.db import transaction
from django.db.models import BigIntegerField, CharField
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import Instant, now
from accounts.models import Given, Statement, selected
from billing import handing_back
from billing.api import problems
from billing.api.orders import LeaseView
from billing.serializers import EarlierEnd, HandBackAsked, HandBackValue, PricedLease
from leasing.models import Lease
from leasing.operations import WindowRefused
from leasing.serializers import LeaseShown
from leasing.states import LeaseState
from leasing.tasks import nudge_sites


class Value(LeaseView):
    """What handing back would cost and bring."""

    serializer_class = HandBackValue

    @extend_schema(
        operation_id="leases_hand_back", summary="Ask what handing back costs and brings", parameters=[HandBackAsked]
    )
    def get(self, request: Request, id: str) -> Response:
        """What it would cost and bring to return the lease now, to cancel it before its start, or to let it end at
        `ends_at`. Nothing is changed. Returning costs less with each second that passes. 409 `window_fixed` where the
        lease cannot be shortened now.
        """
        wanted = HandBackAsked(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        try:
            worth = handing_back.value(lease=self.get_object(), ends_at=wanted.validated_data.get("ends_at"), now=now())
        except WindowRefused as error:
            raise problems.window_refused(error) from error
        return Response(HandBackValue(worth).data)


class Return(LeaseView):
    """Giving a lease back."""

    serializer_class = LeaseShown
    required = {"POST": "lease:write"}

    @extend_schema(operation_id="leases_return", summary="Return a lease", request=None, responses=LeaseShown)
    def post(self, request: Request, id: str) -> Response:
        """End the lease. The meter stops at once, access ends, the nodes are wiped and a certificate follows.

        Accepted in every state: before its start the lease is cancelled, and one that is over stays as it is. So a
        retry does no harm. Where an end was agreed, a part of the price of the time that is left may be kept: GET
        hand-back says it beforehand, the receipt afterwards.
        """
        own = OWN.first(organization=self.principal.organization.pk, lease=id)
        if own is None:
            raise Http404
        own.organization = self.principal.organization
        moment: datetime = selected(own, "read_at")
        lease = handing_back.hand_back(lease=own, actor=self.principal.actor, now=moment)
        if lease.state == LeaseState.RECLAIMING:  # one that had not begun leaves nothing to do on its nodes
            transaction.on_commit(nudge_sites, robust=True)
        return Response(SHOWN.to_representation(lease))


SHOWN = LeaseShown()  # it keeps nothing of what it shows, and making it costs more than using it
OWN = Statement(
    lambda: (
        Lease.objects.filter(
            organization=Given("organization", BigIntegerField()), public_id=Given("lease", CharField())
        )
        .annotate(read_at=Instant())
        .only("public_id", "organization")
    )
)


class Shorten(LeaseView):
    """An earlier end for a lease."""

    required = {"POST": "lease:write"}

    @extend_schema(operation_id="leases_shorten", summary="Shorten a lease", request=EarlierEnd, responses=PricedLease)
    def post(self, request: Request, id: str) -> Response:
        """Let the lease end earlier; it goes on until then. GET hand-back with the same `ends_at` says beforehand what
        that costs and brings. A lease that extends itself does so no more. Asking for the end that it has already
        changes nothing, so a retry does no harm. 409 `window_fixed` where the lease cannot be shortened now.
        """
        lease = self.get_object()
        wanted = EarlierEnd(data=request.data)
        wanted.is_valid(raise_exception=True)
        try:
            handing_back.shorten(lease=lease, actor=self.principal.actor, now=now(), **wanted.validated_data)
        except WindowRefused as error:
            raise problems.window_refused(error) from error
        transaction.on_commit(nudge_sites, robust=True)
        return Response(self.get_serializer(self.get_object()).data)
