"""What staff reads of enrolments, and where one waits for a worker."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet

from leasing.inspection.inventory import Inventory
from leasing.inspection.matching import UNITS
from leasing.models import Enrolment, Inspection
from leasing.states import ENROLMENT_FAILED_TWIN, EnrolmentState
from marketplace.models import Measure, NodeType, Site

WAY = (EnrolmentState.REACHING, EnrolmentState.INSPECTING, EnrolmentState.MEASURING, EnrolmentState.PASSED)


@dataclass(frozen=True)
class Step:
    """One step of an enrolment's way, as components/timeline.html shows it."""

    title: str
    status: str  # "done" | "current" | "upcoming" | "failed"
    at: datetime | None
    seconds: int | None = None
    deadline: datetime | None = None
    detail: str = ""


@dataclass(frozen=True)
class Comparison:
    """One part: what the type promises, what was found, and whether that is as it must be. Words with units."""

    part: str
    promised: str
    found: str
    fits: bool


def enrolments() -> QuerySet[Enrolment]:
    """All of them, newest first, with everything that a page or an answer shows."""
    parts = ("site", "node", "plan", "wanted_type__gpu_model", "node_type__gpu_model", "inspection")
    return Enrolment.objects.select_related(*parts).prefetch_related("transitions").order_by("-pk")


def sites_enrolling(*, now: datetime) -> list[tuple[Site, int]]:
    """Sites where enrolments wait for a worker, with how many."""
    due = Q(state__in=sorted(ENROLMENT_FAILED_TWIN), next_attempt_at__lte=now)
    free = Q(work_until=None) | Q(work_until__lte=now)
    waiting = dict(Enrolment.objects.filter(due & free).values_list("site").annotate(Count("pk")))
    return [(site, waiting[site.pk]) for site in Site.objects.filter(pk__in=waiting).order_by("pk")]


TITLES = {
    EnrolmentState.REACHING: "First login",
    EnrolmentState.INSPECTING: "Inspection",
    EnrolmentState.MEASURING: "Burn-in",
    EnrolmentState.PASSED: "In stock",
    EnrolmentState.FAILED: "Failed",
    EnrolmentState.WITHDRAWN: "Withdrawn",
}


def steps(enrolment: Enrolment) -> list[Step]:
    """The way from the first login to the stock, with where the enrolment is on it."""
    changes = sorted(enrolment.transitions.all(), key=lambda change: change.seq)
    left = {change.old: change.at for change in changes}
    entered = {change.new: change.at for change in changes}
    begun = EnrolmentState(changes[0].new)  # a known node is not reached for the first time
    shown = [_step(state, enrolment, entered, left) for state in WAY[WAY.index(begun) :]]
    if enrolment.state in {EnrolmentState.FAILED, EnrolmentState.WITHDRAWN}:
        gone = [step for step in shown if step.status != "upcoming"]
        return [*gone, Step(TITLES[EnrolmentState(enrolment.state)], "failed", enrolment.state_since)]
    return shown


def _step(state: EnrolmentState, enrolment: Enrolment, entered: dict[str, datetime], left: dict[str, datetime]) -> Step:
    at, until = entered.get(state), left.get(state)
    if state == enrolment.state and state in ENROLMENT_FAILED_TWIN:
        detail = enrolment.step[:1].upper() + enrolment.step[1:]
        return Step(TITLES[state], "current", at, deadline=enrolment.deadline, detail=detail)
    seconds = int((until - at).total_seconds()) if at and until else None
    return Step(TITLES[state], "done" if at else "upcoming", at, seconds)


def parts_compared(enrolment: Enrolment, inventory: Inventory, kind: NodeType) -> list[Comparison]:
    """What the type promises beside what was found: the whole of it, and each part that differs by itself."""
    model = kind.gpu_model
    disks, names = sum(disk.size_gb for disk in inventory.disks), {gpu.name for gpu in inventory.gpus}
    linked = sum(nic.gbps for nic in inventory.nics if nic.gbps)
    whole = [
        ("GPUs", f"{kind.gpu_count}", f"{len(inventory.gpus)}"),
        ("GPU model", model.name if model else "none", ", ".join(sorted(names)) or "none"),
        ("vCPUs", f"{kind.vcpus}", f"{inventory.vcpus}"),
        ("memory", f"{kind.memory_gb} GB", f"{inventory.memory_gb} GB"),
        ("disks", f"{kind.nvme_gb} GB", f"{disks} GB in {len(inventory.disks)}"),
        ("network", f"{kind.network_gbps} Gbit/s", f"{linked:g} Gbit/s" if linked else "tells no speed"),
    ]
    wrong = {row["part"]: row for row in enrolment.differences}
    models_differ = any(part.endswith(", model") for part in wrong)
    shown = [
        Comparison(part, promised, found, part not in wrong and not (part == "GPU model" and models_differ))
        for part, promised, found in whole
    ]
    besides = [row for part, row in wrong.items() if part not in {part for part, _, _ in whole} | _MEASURED]
    shown += [Comparison(row["part"], row["promised"], row["found"], fits=False) for row in besides]
    return shown


_MEASURED = {measure.label for measure in Measure}


def figures_compared(inspection: Inspection, kind: NodeType) -> list[Comparison]:
    """What was measured beside the least that passes."""
    targets = {target.measure: target for target in kind.targets.all()}
    shown = []
    for measure in Measure:
        target, found = targets.get(measure), inspection.measures.get(measure)
        if target is None and found is None:
            continue
        least = f"at least {target.least:,g} {UNITS[measure]}" if target else "no target"
        fits = target is None or (found is not None and found >= target.least)
        words = "not measured" if found is None else f"{found:,.6g} {UNITS[measure]}"
        shown.append(Comparison(str(measure.label), least, words, fits))
    return shown


def elapsed(enrolment: Enrolment, now: datetime) -> timedelta:
    """How long it has taken, or took."""
    over = enrolment.state not in ENROLMENT_FAILED_TWIN
    return (enrolment.state_since if over else now) - enrolment.created_at
