"""The house rules that linters cannot say. Each failure names the file and what to do."""

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping, Set
from functools import cache
from pathlib import Path

import pytest

from config.celery import app
from config.parts import application
from config.worker import POOLS
from leasing.states import (
    LEASE_FAILED_TWIN,
    LEASE_OVER,
    LEASE_TRANSITIONS,
    MACHINE_AT_REST,
    MACHINE_FAILED_TWIN,
    MACHINE_TRANSITIONS,
    LeaseState,
    MachineState,
)
from marketplace import states as nodes

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "marketplace", "leasing", "billing", "energy")
SHARED_FLOORS = {
    "models", "states", "money", "measures", "access", "queries", "operations", "http", "clock", "ids", "failpoints",
    "paper", "seal", "prepared", "calling",
}  # fmt: skip
# A page may extend a page, an answer an answer; and both may nudge the workers of what they have just changed.
PRESENTATION = {"views", "api", "forms", "serializers", "admin"}
OPEN_TO_PRESENTATION = PRESENTATION | {"tasks"}
CODE = {".py", ".html", ".css", ".js", ".txt", ""}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository, new ones included, ignored ones not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(path for path in (ROOT / name for name in listed) if path.is_file())


@cache
def trees() -> Mapping[Path, ast.Module]:
    """Every Python file that people wrote, parsed."""
    files = [path for path in tracked() if path.suffix == ".py" and "migrations" not in path.parts]
    return {path.relative_to(ROOT): ast.parse(path.read_text()) for path in files}


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path, tree in trees().items():
        for found in ast.walk(tree):
            if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, found


def imported(tree: ast.Module) -> Iterator[str]:
    """The dotted names that a file imports; `from a import b` counts as a.b."""
    for found in ast.walk(tree):
        if isinstance(found, ast.Import):
            yield from (alias.name for alias in found.names)
        elif isinstance(found, ast.ImportFrom) and found.module:
            yield from (f"{found.module}.{alias.name}" for alias in found.names)


def test_no_file_is_longer_than_400_lines() -> None:
    written = [path for path in tracked() if path.suffix in CODE and "migrations" not in path.parts]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in written}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    lengths = {f"{path}:{f.name}": (f.end_lineno or f.lineno) - f.lineno + 1 for path, f in functions()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "helpers", "services", "common", "misc", "base_classes"}
    assert [str(path) for path in trees() if vague & {path.stem, *path.parts}] == []


def test_nothing_listens_to_signals() -> None:
    banned = ("django.dispatch", "django.db.models.signals", "django.core.signals", "celery.signals")
    listening = [str(path) for path, tree in trees().items() for name in imported(tree) if name.startswith(banned)]
    assert listening == []


def test_an_app_uses_of_another_only_the_floors_that_are_shared() -> None:
    crossings = []
    for path, tree in trees().items():
        if path.parts[0] not in APPS:
            continue
        presents = path.with_suffix("").parts[1] in PRESENTATION
        open_floors = SHARED_FLOORS | (OPEN_TO_PRESENTATION if presents else set())
        for app_name, floor, *_ in (name.split(".") for name in imported(tree) if name.split(".")[0] in APPS):
            if app_name != path.parts[0] and floor not in open_floors:
                crossings.append(f"{path} imports {app_name}.{floor}")
    assert crossings == []


def test_no_two_serializers_have_one_name() -> None:
    """Their names are the schema's: of two with one name it would show one in the place of both."""
    shown = [
        (node.name, str(path))
        for path, tree in trees().items()
        if "serializers" in path.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.endswith("Shown")
    ]
    assert shown
    known = dict(shown)
    assert [f"{name}: {path}" for name, path in shown if known[name] != path] == []


def test_every_task_takes_only_named_arguments_and_ignores_those_it_does_not_know() -> None:
    tasks = [(path, f) for path, f in functions() if any("shared_task" in ast.dump(d) for d in f.decorator_list)]
    wrong = [
        f"{path}:{f.name}"
        for path, f in tasks
        if f.args.args or f.args.vararg or f.args.posonlyargs or not f.args.kwarg
    ]
    assert tasks
    assert wrong == []


def test_every_task_is_run_by_the_clock_or_sent_by_name() -> None:
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    code = "\n".join((ROOT / path).read_text() for path in trees() if path.parts[0] in APPS)
    app.loader.import_default_modules()
    own = {name for name in app.tasks if name.split(".")[0] in APPS}
    sent = {name for name in own if re.search(rf"\b{name.rpartition('.')[2]}\.(delay|apply_async)\(", code)}
    assert own - scheduled - sent == set()
    assert scheduled - own == set(), "scheduled, but there is no such task"


def test_what_asks_the_card_processor_has_a_queue_of_its_own() -> None:
    """It may hang: in the queue `default` leases would not end meanwhile, and empty wallets not pause."""
    asking = set[str]()
    for _ in range(3):  # tasks that ask it themselves, and through functions beside them
        for path, f in functions():
            names = {node.id for node in ast.walk(f) if isinstance(node, ast.Name)}
            parts = {node.attr for node in ast.walk(f) if isinstance(node, ast.Attribute)}
            beside = {f"{path.parts[0]}.tasks.{name}" for name in names}
            if path.name == "tasks.py" and ("gateway" in names | parts or beside & asking):
                asking.add(f"{path.parts[0]}.tasks.{f.name}")
    app.loader.import_default_modules()
    routed = {name for name, route in app.conf.task_routes.items() if route["queue"] == "payments"}
    assert routed == asking & set(app.tasks) and "billing.tasks.settle" in routed


def test_energy_is_counted_and_planned_in_a_queue_of_its_own() -> None:
    """After a standstill it takes minutes: meanwhile leases end and budgets are kept. What is brief stays."""
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values() if entry["task"].startswith("energy.")}
    routed = {name for name, route in app.conf.task_routes.items() if route["queue"] == "energy"}
    brief = {"command_sites", "tell_mining", "look_at_batteries", "look_at_miners"}
    assert scheduled - routed == {f"energy.tasks.{name}" for name in brief}


def test_every_queue_has_a_worker() -> None:
    queues = {"default", *(route["queue"] for route in app.conf.task_routes.values())}
    started = {argv[-1] for argv in (part.argv for part in application({}, port=1, below=[]))}
    assert queues <= set(POOLS) and queues <= started


RESTING: Mapping[str, Set[str]] = {
    "lease": {LeaseState.SCHEDULED, LeaseState.ACTIVE, *LEASE_OVER},
    "machine": {MachineState.PENDING, MachineState.READY, MachineState.PAUSED, *MACHINE_AT_REST},
    "node": {*nodes.NodeState} - {nodes.NodeState.DEPLOYING, nodes.NodeState.WIPING},
}
TABLES = [
    ("lease", LEASE_TRANSITIONS, LEASE_FAILED_TWIN),
    ("machine", MACHINE_TRANSITIONS, MACHINE_FAILED_TWIN),
    ("node", nodes.TRANSITIONS, nodes.FAILED_TWIN),
]


@pytest.mark.parametrize(("kind", "transitions", "twins"), TABLES, ids=[table[0] for table in TABLES])
def test_no_state_is_a_dead_end(kind: str, transitions: Mapping[str, frozenset[str]], twins: Mapping[str, str]) -> None:
    assert set(transitions) - RESTING[kind] - set(twins) == set(), "in progress, but without a failed twin"
    assert {state for state, twin in twins.items() if twin not in transitions[state]} == set(), "twin out of reach"


def test_the_readme_shows_every_directory_and_none_that_is_not_there() -> None:
    readme = (ROOT / "README.md").read_text()
    there = {path.relative_to(ROOT).parts[0] for path in tracked() if path.parent != ROOT}
    shown = set(re.findall(r"^([a-z]+)/", readme, re.MULTILINE))
    assert shown == {name for name in there if not name.startswith(".")}


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    elsewhere = ("/" + "work/", "pythonhosted" + ".org", "pypi" + ".org", "npmjs" + ".com", "docker" + ".io")
    files = [path for path in tracked() if path.suffix not in {".png", ".woff2", ".ico", ".gz"}]
    named = [
        f"{path.relative_to(ROOT)} names {word}"
        for path in files
        for word in elsewhere
        if word in path.read_text(errors="replace")
    ]
    assert named == []


def test_the_lock_pins_every_package_by_hash() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.findall(r"^[a-z0-9].*$", lock, re.MULTILINE)
    assert entries
    assert [entry for entry in entries if not re.match(r"[a-z0-9.\-\[\]_]+==\S+( ; .*)? \\$", entry)] == []
