"""Mining machines: classes, and what is wanted and read of each."""

import django.db.models.constraints
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("energy", "0001_power"),
    ]

    operations = [
        migrations.CreateModel(
            name="MinerClass",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=40, unique=True)),
                ("name", models.CharField(max_length=80)),
                ("dialect", models.CharField(choices=[("luxos", "LuxOS"), ("cgminer", "cgminer (BOSminer; others read only)"), ("pyasic_rs", "pyasic-rs"), ("fake", "fake (tests)")], max_length=10)),
                ("watts", models.PositiveIntegerField(help_text="What one draws while it hashes, watts at its plug.")),
                ("standby_watts", models.PositiveIntegerField(default=60, help_text="What one draws asleep, watts.")),
                ("joules_per_terahash", models.DecimalField(decimal_places=2, help_text="Efficiency; less is better.", max_digits=6)),
                ("ramp_down_seconds", models.PositiveIntegerField(default=10, help_text="From the command to sleep to standby.")),
                ("ramp_up_seconds", models.PositiveIntegerField(default=600, help_text="From the command to wake to full power.")),
                ("minimum_on_seconds", models.PositiveIntegerField(default=0, help_text="Once woken, it is not put to sleep sooner, except in an emergency.")),
            ],
            options={
                "verbose_name_plural": "miner classes",
                "ordering": ["joules_per_terahash", "slug"],
                "constraints": [models.CheckConstraint(condition=models.Q(("standby_watts__lt", models.F("watts"))), name="miner_class_draws_less_asleep"), models.CheckConstraint(condition=models.Q(("joules_per_terahash__gt", 0)), name="miner_class_has_an_efficiency")],
            },
        ),
        migrations.CreateModel(
            name="Miner",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(help_text="Where it stands, such as A-07-3-12.", max_length=80)),
                ("address", models.GenericIPAddressField(help_text="In the site's own network (MINER_NETWORKS).")),
                ("port", models.PositiveIntegerField(default=4028)),
                ("user", models.CharField(blank=True, max_length=32)),
                ("password", models.TextField(blank=True, editable=False, help_text="Sealed (accounts.seal).")),
                ("controlled", models.BooleanField(default=True, help_text="Whether it may be told anything; if not, it is load.")),
                ("asleep", models.BooleanField(default=False, help_text="What is wanted of it.")),
                ("since", models.DateTimeField(help_text="Since when that is wanted.")),
                ("epoch", models.PositiveIntegerField(default=0, help_text="Counts its commands.")),
                ("outcome", models.CharField(blank=True, choices=[("obeyed", "obeyed"), ("refused", "refused"), ("unreachable", "unreachable"), ("lied", "took the command and did not do it")], help_text="Empty: never read.", max_length=12)),
                ("read_asleep", models.BooleanField(blank=True, help_text="What it said; empty: it did not answer.", null=True)),
                ("load_watts", models.PositiveIntegerField(help_text="What it is counted with, watts.")),
                ("load_source", models.CharField(choices=[("meter", "metered"), ("miner", "its own figure"), ("nameplate", "nameplate")], default="nameplate", max_length=10)),
                ("read_terahashes", models.FloatField(blank=True, help_text="TH/s.", null=True)),
                ("read_at", models.DateTimeField(blank=True, null=True)),
                ("detail", models.CharField(blank=True, help_text="Why it is not as wanted, for staff.", max_length=300)),
                ("site", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="miners", to="marketplace.site")),
                ("miner_class", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="miners", to="energy.minerclass")),
            ],
            options={
                "ordering": ["site", "name"],
                "indexes": [models.Index(fields=["site", "miner_class", "asleep", "since"], name="miner_fleet")],
                "constraints": [models.UniqueConstraint(fields=("site", "name"), name="miner_name_once_a_site"), models.UniqueConstraint(deferrable=django.db.models.constraints.Deferrable["DEFERRED"], fields=("site", "address", "port"), name="miner_address_once_a_site"), models.CheckConstraint(condition=models.Q(("outcome__in", ["", "obeyed", "refused", "unreachable", "lied"])), name="miner_outcome_is_known")],
            },
        ),
    ]
