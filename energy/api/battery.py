"""A site's battery: what it gives and holds, and where it answers. For the operator's staff."""

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import operator_of
from accounts.clock import now
from energy import operations
from energy.access import MAY_CONNECT, MAY_LOOK
from energy.queries.battery import battery_now
from energy.queries.standing import standing
from energy.serializers.battery import BatteryShown, DriverAsked
from leasing.api.fleet import OperatorView
from marketplace.models import Site


class SiteBattery(OperatorView):
    """The battery of one site."""

    serializer_class = BatteryShown
    queryset = Site.objects.all()
    lookup_field = lookup_url_kwarg = "slug"
    required = {"GET": MAY_LOOK, "PUT": MAY_CONNECT}

    @extend_schema(operation_id="operations_battery", summary="Show a site's battery", responses=BatteryShown)
    def get(self, request: Request, slug: str) -> Response:
        """Its power, state of charge with its age, what is wanted of it, and what came of that."""
        return self._shown(self.get_object())

    @extend_schema(
        operation_id="operations_battery_driver",
        summary="Say where a site's battery answers",
        request=DriverAsked,
        responses=BatteryShown,
    )
    def put(self, request: Request, slug: str) -> Response:
        """A worker inside the site looks at it within a minute; `driver.outcome` says what came of it."""
        site = self.get_object()
        asked = DriverAsked(data=request.data, context={"site": site})
        asked.is_valid(raise_exception=True)
        form = asked.validated_data["form"]
        operations.connect(inverter=form.instance, changed=form.changed_data, actor=operator_of(request), now=now())
        return self._shown(site)

    def _shown(self, site: Site) -> Response:
        here = standing(site, now=now())
        found = battery_now(here) if here else None
        if found is None:
            raise NotFound("The site has no battery on file, or no power contract.")
        return Response(BatteryShown(found).data)
