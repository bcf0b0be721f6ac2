"""Pages of this app, and the guards that every app's pages stand behind."""

from accounts.views.guards import allowed, operator_allowed, organization_required

__all__ = ["allowed", "operator_allowed", "organization_required"]
