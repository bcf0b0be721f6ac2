"""When: the calendar of an offer, and the earliest start across all of them."""

from typing import Any
from zoneinfo import ZoneInfo

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView, get_object_or_404
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import organization_of
from accounts.clock import now
from accounts.http.problems import bad_field
from marketplace.api.offers import asked_by
from marketplace.api.pages import Ranked
from marketplace.queries import BadPeriod, Day, calendar, check_length, listed_offers, opening_rows, openings
from marketplace.serializers import CalendarAsked, CalendarShown, OpeningsAsked, OpeningShown


class OfferCalendar(GenericAPIView[Any]):
    """How many nodes are free in each hour."""

    permission_classes = [AllowAny]
    queryset = listed_offers()
    serializer_class = CalendarShown

    @extend_schema(operation_id="offers_calendar", summary="Show the calendar of an offer", parameters=[CalendarAsked])
    def get(self, request: Request, id: str) -> Response:
        """For each hour of some days, on the clocks of a time zone, how many of the offer's nodes are free."""
        instant = now()
        asked = CalendarAsked(data=request.query_params, context={"now": instant})
        asked.is_valid(raise_exception=True)
        offer = get_object_or_404(listed_offers(organization_of(request)), public_id=id)
        wanted = asked.validated_data
        nodes, zone = wanted["nodes"], wanted["zone"]
        which = {name: wanted[name] for name in ("starts_on", "days", "zone", "same_fabric")}
        days = [_day(day, nodes, zone) for day in calendar(offer=offer, now=instant, **which)]
        shown = {"offer": offer.public_id, "time_zone": zone.key, "days": days}
        shown |= {name: wanted[name] for name in ("nodes", "same_fabric")}
        return Response(CalendarShown(shown).data)


class Earliest(GenericAPIView[Any]):
    """The first time at which nodes are free for long enough."""

    permission_classes = [AllowAny]
    pagination_class = Ranked
    serializer_class = OpeningShown

    @extend_schema(
        operation_id="earliest",
        summary="Find the earliest start",
        parameters=[OpeningsAsked],
        responses=OpeningShown(many=True),
    )
    def get(self, request: Request) -> Response:
        """The first period of every offer that matches, on plans that can be reserved, with its whole price.

        On-demand leases start now and have no end: search offers for those. 400 on `hours` where no plan that is asked
        for lasts as long, with the plans' limits.
        """
        instant = now()
        asked = OpeningsAsked(data=request.query_params, context=asked_by(request, instant))
        asked.is_valid(raise_exception=True)
        criteria, wanted = asked.criteria(), asked.validated_data
        found = openings(
            criteria=criteria, length=wanted["length"], until=wanted["until"], sort=wanted["sort"], now=instant
        )
        try:
            if not found:
                check_length(criteria=criteria, length=wanted["length"], now=instant)
        except BadPeriod as error:
            raise bad_field(error.field, error.message) from error
        page = self.paginate_queryset(found)
        rows = opening_rows(openings=page or [], criteria=criteria)
        return self.get_paginated_response(OpeningShown(rows, many=True).data)


def _day(day: Day, nodes: int, zone: ZoneInfo) -> dict[str, Any]:
    local = [(hour, hour.starts_at.astimezone(zone)) for hour in day.hours]
    hours = [
        {
            "starts_at": hour.starts_at,
            "local_time": f"{at:%H:%M}",
            "utc_offset": at.isoformat()[-6:],
            "free": hour.free,
            "enough": hour.free >= nodes,
        }
        for hour, at in local
    ]
    return {"date": day.date, "hours": hours}
