"""Which project a lease counts for."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.clock import now
from billing import tagging
from billing.api import problems
from billing.budgets import BudgetExceeded
from leasing.api.leases import LeaseView
from leasing.serializers import LeaseShown, NewProject


class Project(LeaseView):
    """The project that a lease counts for."""

    serializer_class = LeaseShown
    required = {"POST": "lease:write"}

    @extend_schema(operation_id="leases_project", summary="Tag a lease", request=NewProject, responses=LeaseShown)
    def post(self, request: Request, id: str) -> Response:
        """Give the lease the tag of one of your projects, also after its end; empty: none. See GET leases?project=…

        402 `budget_exceeded` if that project's budget has less left than the lease costs.
        """
        lease = self.get_object()
        wanted = NewProject(data=request.data)
        wanted.is_valid(raise_exception=True)
        project = wanted.validated_data["project"]
        try:
            tagging.tag(lease=lease, project=project, actor=self.principal.actor, now=now())
        except BudgetExceeded as error:
            raise problems.budget_exceeded(error) from error
        return Response(LeaseShown(lease).data)
