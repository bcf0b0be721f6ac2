"""The energy and carbon of a lease."""

from datetime import datetime

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from energy.queries.ledger import hours_of, total
from energy.serializers.ledger import RULE, EnergyShown, HoursAsked
from leasing.api.leases import LeaseView


class LeaseEnergy(LeaseView):
    """What a lease used, and what it was made of."""

    serializer_class = EnergyShown
    required = {"GET": "lease:read"}

    @extend_schema(
        operation_id="leases_energy",
        summary="Show a lease's energy and carbon",
        responses=EnergyShown,
        parameters=[
            OpenApiParameter("from", datetime, description="Hours that begin then or later; all if left out."),
            OpenApiParameter("until", datetime, description="Hours that begin before it; all if left out."),
        ],
    )
    def get(self, request: Request, id: str) -> Response:
        """Each hour at the site's meter, marked measured, estimated or missing. An hour is there two hours after it."""
        lease = self.get_object()
        asked = HoursAsked(data=request.query_params)
        asked.is_valid(raise_exception=True)
        hours = hours_of(lease, since=asked.validated_data.get("from"), until=asked.validated_data.get("until"))
        found = {"lease": lease.public_id, "rule": RULE, "total": total(hours), "hours": hours}
        return Response(EnergyShown(found).data)
