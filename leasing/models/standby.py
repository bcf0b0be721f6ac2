"""A node that nobody needs is switched off while its site has to draw less."""

import pgtrigger
from django.db import models
from django.db.models import Q

from accounts.ids import PublicIdField
from accounts.models import TransitionRow
from leasing.models.maintenance import Maintenance
from leasing.models.work import Worked
from leasing.states import STANDBY_FAILED_TWIN, STANDBY_TRANSITIONS, SWITCHED, StandbyState


class Standby(Worked):
    """
    One node's time without power. Its maintenance window takes the node off every offer, from the beginning until it
    has booted and proved itself after `ends_at`; a window is a claim, so no lease can have the node in it.

    It is load until it was seen off, and again from the command to switch it on.
    """

    TRANSITIONS = STANDBY_TRANSITIONS

    public_id = PublicIdField(prefix="sb")
    maintenance = models.OneToOneField(Maintenance, on_delete=models.PROTECT, related_name="standby")
    requested_by = models.CharField(max_length=60, help_text="Such as system:energy:pc_….")
    ends_at = models.DateTimeField(help_text="When it is switched on again at the latest.")

    class Meta:
        verbose_name_plural = "standbys"
        indexes = [
            models.Index(fields=["deadline"], name="standby_due", condition=Q(state__in=sorted(STANDBY_FAILED_TWIN))),
            models.Index(fields=["next_attempt_at"], name="standby_work_due", condition=Q(state__in=sorted(SWITCHED))),
            models.Index(fields=["requested_by"], name="standby_requested"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=StandbyState.values), name="standby_state_is_known"),
            models.CheckConstraint(
                condition=Q(deadline__isnull=False) | ~Q(state__in=sorted(STANDBY_FAILED_TWIN)),
                name="standby_has_a_deadline",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class StandbyTransition(TransitionRow):
    """One change of a standby's state."""

    standby = models.ForeignKey(Standby, on_delete=models.PROTECT, related_name="transitions")

    class Meta:
        ordering = ["standby", "seq"]
        constraints = [models.UniqueConstraint(fields=["standby", "seq"], name="standby_transition_once")]
        triggers = [pgtrigger.Protect(name="append_only", operation=pgtrigger.Update | pgtrigger.Delete)]
