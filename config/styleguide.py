"""The style guide's page: invented values that put every component into every state. Served under DEBUG only."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django import forms
from django.views.generic import TemplateView

from accounts.templatetags.ui import utc

STATES = [
    "held", "scheduled", "provisioning", "active", "paused", "reclaiming", "ended", "expired", "cancelled", "failed",
]  # fmt: skip
SWATCHES = ["paper", "surface", "sunken", "ink", "muted", "accent", "info", "warn", "danger"]
NOW = datetime(2026, 3, 2, 14, 5, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Free:
    """A free window of the strip."""

    starts_at: datetime
    ends_at: datetime | None


class DemoForm(forms.Form):
    """One field of each kind."""

    name = forms.CharField(help_text="For your own lists and the invoice, such as “fine-tune run 4”.")
    amount = forms.DecimalField(help_text="Between 10 and 50,000 dollars.", min_value=10)
    hours = forms.IntegerField(required=False, min_value=1)
    image = forms.ChoiceField(choices=[("cuda", "CUDA 12.8, PyTorch 2.7"), ("base", "Debian 12, drivers only")])
    startup_script = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))
    keys = forms.MultipleChoiceField(
        label="SSH keys",
        choices=[("a", "workstation (ED25519)"), ("b", "build server (RSA 4096)")],
        widget=forms.CheckboxSelectMultiple,
    )
    notify = forms.BooleanField(required=False, label="Mail me when the node is ready")


def step(title: str, status: str, minute: int | None = None, **more: object) -> dict[str, object]:
    return {"title": title, "status": status, "at": None if minute is None else NOW - timedelta(minutes=minute), **more}


def demo() -> dict[str, object]:
    """Values for every specimen."""
    deadline = NOW + timedelta(minutes=4, seconds=30)
    return {
        "states": STATES,
        "swatches": SWATCHES,
        "offers": OFFERS,
        "facts": [("Started", utc(NOW)), ("Site", "Columbus, Georgia, USA"), ("Host key", "SHA256:" + "uNiVztks" * 5)],
        "receipt": [("1 h 12 min 04 s at $23.92", "$28.73"), ("Outage, 4 min", "−$1.59"), ("Total", "$27.14")],
        "windows": [
            Free(NOW, NOW + timedelta(hours=20)),
            Free(NOW + timedelta(hours=44), NOW + timedelta(hours=96)),
            Free(NOW + timedelta(hours=110), None),
        ],
        "starts_at": NOW,
        "until": NOW + timedelta(days=6),
        "wanted_from": NOW + timedelta(hours=50),
        "wanted_until": NOW + timedelta(hours=74),
        "since": NOW - timedelta(minutes=3, seconds=12),
        "deadline": deadline,
        "steps": [
            step("Nodes held", "done", 5, seconds=1),
            step("Container started", "done", 4, seconds=48),
            step("Health check", "current", 3, deadline=deadline, detail="8 of 8 GPUs answered; writing to the disk."),
            step("SSH login proven", "upcoming"),
            step("Active: the meter starts", "upcoming"),
        ],
        "failed": [
            step("Nodes held", "done", 9, seconds=1),
            step(
                "Health check", "failed", 6, seconds=300, detail="GPU 5 did not answer. Placed on another node; 0.00."
            ),
        ],
        "token": "gl_live_" + "EXAMPLEexample0123456789" * 2,
        "tabs": [("Overview", "#a"), ("Usage", "#b"), ("Timeline", "#c"), ("Receipt", "#d")],
        "form": DemoForm(),
        "wrong": DemoForm({"name": "", "amount": "4", "image": "cuda"}, auto_id="wrong_%s"),
    }


def offer(node: str, memory: str, site: str, plan: str, free: int, gpu_micros: int, gpus: int = 8) -> dict[str, object]:
    place, region = site.split(" | ")
    return {
        "node": node, "memory": memory, "site": place, "region": region, "plan": plan, "free": free,
        "gpu_micros": gpu_micros, "node_micros": gpu_micros * gpus,
    }  # fmt: skip


OFFERS = [
    offer("8 × H100 SXM", "640 GB HBM3, 3.35 TB/s", "Columbus hub | Georgia, USA", "On demand", 14, 2_990_000),
    offer("8 × H200 SXM", "1,128 GB HBM3e, 4.8 TB/s", "Querétaro | Mexico", "Reserved", 2, 3_487_500),
    offer("1 × L4", "24 GB GDDR6, 0.3 TB/s", "Nairobi | Kenya", "On demand", 31, 612_500, 1),
]


class StyleGuide(TemplateView):
    """`now` is a fixed moment, so that two pictures of the page can be compared."""

    template_name = "styleguide.html"

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        return super().get_context_data(demo=demo(), now=NOW, **kwargs)
