"""Mining machines: what they are, where they answer, what is wanted of them and what was last read."""

from datetime import datetime, timedelta

from django.db import models

from energy.models.feeds import Feed, FeedKind
from marketplace.models import Site

FRESH = timedelta(minutes=15)  # a miner that nobody has read for longer counts in full: silence is full power


class Dialect(models.TextChoices):
    """How a miner is spoken to: the driver."""

    LUXOS = "luxos", "LuxOS"
    CGMINER = "cgminer", "cgminer (BOSminer; others read only)"
    PYASIC = "pyasic_rs", "pyasic-rs"
    FAKE = "fake", "fake (tests)"


class Outcome(models.TextChoices):
    """What came of telling a miner something, as far as looking shows."""

    OBEYED = "obeyed", "obeyed"
    REFUSED = "refused", "refused"
    UNREACHABLE = "unreachable", "unreachable"
    LIED = "lied", "took the command and did not do it"


class Source(models.TextChoices):
    """Whose word for a miner's power is taken: the first that there is."""

    METER = "meter", "metered"
    MINER = "miner", "its own figure"
    NAMEPLATE = "nameplate", "nameplate"


class MinerClass(models.Model):
    """Miners of one model with one firmware: they are worth the same and are told the same way."""

    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    dialect = models.CharField(max_length=10, choices=Dialect)
    watts = models.PositiveIntegerField(help_text="What one draws while it hashes, watts at its plug.")
    standby_watts = models.PositiveIntegerField(default=60, help_text="What one draws asleep, watts.")
    joules_per_terahash = models.DecimalField(max_digits=6, decimal_places=2, help_text="Efficiency; less is better.")
    ramp_down_seconds = models.PositiveIntegerField(default=10, help_text="From the command to sleep to standby.")
    ramp_up_seconds = models.PositiveIntegerField(default=600, help_text="From the command to wake to full power.")
    minimum_on_seconds = models.PositiveIntegerField(
        default=0, help_text="Once woken, it is not put to sleep sooner, except in an emergency."
    )

    class Meta:
        ordering = ["joules_per_terahash", "slug"]
        verbose_name_plural = "miner classes"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(standby_watts__lt=models.F("watts")), name="miner_class_draws_less_asleep"
            ),
            models.CheckConstraint(condition=models.Q(joules_per_terahash__gt=0), name="miner_class_has_an_efficiency"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def minimum_on(self) -> timedelta:
        """As a duration."""
        return timedelta(seconds=self.minimum_on_seconds)


class Miner(models.Model):
    """
    One machine. What is wanted (`asleep`, `since`, `epoch`) is written before it is told; what was read, after.

    A command raises the epoch, and what is read counts only for the epoch it was read in: of two workers the later
    one's word stands. What did not obey keeps its wish and its `outcome`, and counts as load.
    """

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="miners")
    miner_class = models.ForeignKey(MinerClass, on_delete=models.PROTECT, related_name="miners")
    name = models.CharField(max_length=80, help_text="Where it stands, such as A-07-3-12.")
    address = models.GenericIPAddressField(help_text="In the site's own network (MINER_NETWORKS).")
    port = models.PositiveIntegerField(default=4028)
    user = models.CharField(max_length=32, blank=True)
    password = models.TextField(blank=True, editable=False, help_text="Sealed (accounts.seal).")
    meter = models.OneToOneField(
        Feed,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        limit_choices_to={"kind": FeedKind.SOCKET},
        help_text="What its plug draws, if a power strip tells: believed before the miner itself.",
    )
    controlled = models.BooleanField(default=True, help_text="Whether it may be told anything; if not, it is load.")

    asleep = models.BooleanField(default=False, help_text="What is wanted of it.")
    since = models.DateTimeField(help_text="Since when that is wanted.")
    epoch = models.PositiveIntegerField(default=0, help_text="Counts its commands.")

    outcome = models.CharField(max_length=12, choices=Outcome, blank=True, help_text="Empty: never read.")
    read_asleep = models.BooleanField(null=True, blank=True, help_text="What it said; empty: it did not answer.")
    load_watts = models.PositiveIntegerField(help_text="What it is counted with, watts.")
    load_source = models.CharField(max_length=10, choices=Source, default=Source.NAMEPLATE)
    read_terahashes = models.FloatField(null=True, blank=True, help_text="TH/s.")
    read_at = models.DateTimeField(null=True, blank=True)
    detail = models.CharField(max_length=300, blank=True, help_text="Why it is not as wanted, for staff.")

    class Meta:
        ordering = ["site", "name"]
        indexes = [models.Index(fields=["site", "miner_class", "asleep", "since"], name="miner_fleet")]
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="miner_name_once_a_site"),
            models.UniqueConstraint(
                fields=["site", "address", "port"],
                name="miner_address_once_a_site",
                deferrable=models.Deferrable.DEFERRED,  # a file may swap two
            ),
            models.CheckConstraint(
                condition=models.Q(outcome__in=["", *Outcome.values]), name="miner_outcome_is_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def is_stale(self, now: datetime) -> bool:
        """Whether nobody has looked at it for too long, or ever."""
        return self.read_at is None or now - self.read_at > FRESH
