"""Figures that come from outside: how old each is, and telling one. For the operator's staff."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import operator_of
from accounts.clock import now
from energy import operations
from energy.access import MAY_LOOK, MAY_TELL
from energy.models import Feed
from energy.queries.feeds import all_feeds, told_at
from energy.serializers.feeds import FeedShown, ReadingsAsked, ReadingShown, Taken
from leasing.api.fleet import OperatorView


class Feeds(OperatorView):
    """All of them."""

    serializer_class = FeedShown
    queryset = Feed.objects.all()
    ordering = ("slug",)
    required = {"GET": MAY_LOOK}

    @extend_schema(operation_id="operations_feeds", summary="List power inputs", responses=FeedShown(many=True))
    def get(self, request: Request) -> Response:
        """Every input with its last value, how old that is, and whether it is stale."""
        page = self.paginate_queryset(all_feeds())
        return self.get_paginated_response(FeedShown(told_at(page or [], now=now()), many=True).data)


class Readings(OperatorView):
    """What one of them told."""

    serializer_class = ReadingShown
    queryset = Feed.objects.all()
    ordering = ("-starts_at",)
    required = {"GET": MAY_LOOK, "POST": MAY_TELL}

    @extend_schema(
        operation_id="operations_feed_readings", summary="List an input's readings", responses=ReadingShown(many=True)
    )
    def get(self, request: Request, id: str) -> Response:
        """Newest first."""
        page = self.paginate_queryset(self.get_object().readings.all())
        return self.get_paginated_response(ReadingShown(page, many=True).data)

    @extend_schema(operation_id="operations_feed_tell", summary="Tell an input", request=ReadingsAsked, responses=Taken)
    def post(self, request: Request, id: str) -> Response:
        """One value, or a CSV file as text. What was told of the same times before is written over."""
        feed = self.get_object()
        asked = ReadingsAsked(data=request.data, context={"feed": feed})
        asked.is_valid(raise_exception=True)
        told = asked.validated_data["told"]
        return Response(
            {"readings": operations.told_by_staff(feed=feed, told=told, actor=operator_of(request), now=now())}
        )
