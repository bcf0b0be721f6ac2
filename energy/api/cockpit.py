"""What the dispatcher's pages show, for programs: every site in a line, and one with all that is known of it."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from accounts.http.problems import Problem
from energy.access import MAY_LOOK
from energy.queries.cockpit import cockpit, overview
from energy.serializers.cockpit import CockpitShown, OverviewShown
from leasing.api.fleet import OperatorView
from marketplace.models import Site


class Power(OperatorView):
    """What each site does now."""

    serializer_class = OverviewShown
    pagination_class = None
    required = {"GET": MAY_LOOK}

    @extend_schema(operation_id="operations_power", summary="Show sites' power", responses=OverviewShown(many=True))
    def get(self, request: Request) -> Response:
        """
        The newest plan of each site: what was seen, what is decided and expected, and the age of every input. Sites
        where proposals wait come first.
        """
        return Response(OverviewShown(overview(), many=True).data)


class PowerOfSite(OperatorView):
    """One site."""

    serializer_class: type[Any] = CockpitShown
    queryset = Site.objects.select_related("grid_zone")
    lookup_field = lookup_url_kwarg = "slug"
    required = {"GET": MAY_LOOK}

    @extend_schema(operation_id="operations_power_site", summary="Show a site's power", responses=CockpitShown)
    def get(self, request: Request, slug: str) -> Response:
        """
        Power over 48 hours back and ahead, what a MWh is worth in each use, prices, carbon, miners, what waits, and
        the age of every input. 404 `no_contract` where nothing is known of the site's power.
        """
        found = cockpit(self.get_object(), now=now())
        if found is None:
            raise Problem(404, "no_contract", "No power contract", "Add the site's contract in the admin first.")
        return Response(CockpitShown(found).data)
