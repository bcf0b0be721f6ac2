"""Pages of this app, and the guards that every app's pages stand behind."""

from accounts.views.guards import allowed, organization_required

__all__ = ["allowed", "organization_required"]
