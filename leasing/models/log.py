"""What a machine's host printed, as far as somebody has asked."""

from django.db import models

from leasing.models.machine import Machine


class MachineLog(models.Model):
    """
    One log of one machine as its host told it last. Whoever wants to see it asks, and the site's worker reads it:
    until then `read_at` is empty. It is the tenant's, so it is forgotten after an hour and when the machine is wiped.
    """

    class Kind(models.TextChoices):
        STARTUP = "startup", "startup log"
        CONSOLE = "console", "console log"

    machine = models.ForeignKey(Machine, on_delete=models.PROTECT, related_name="logs")
    log = models.CharField(max_length=8, choices=Kind)
    text = models.TextField(blank=True)
    failed = models.BooleanField(default=False, help_text="The host did not answer: the text is an older one.")
    asked_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["machine", "log"], name="machine_log_once")]

    def __str__(self) -> str:
        return f"{self.log} of {self.machine_id}"
