"""LuxOS as its documentation shows it: https://docs.luxor.tech/firmware/api. Keys are sorted, as a miner sends them."""

import json
import secrets
from typing import Any

from standins.miners.machine import SESSION_SECONDS, Behaviour, Machine

VERSION = "2025.4.8.220305-57b389c7"
LIMITS = (0.55, 0.7, 0.85, 1.0, 1.1)  # profiles, as parts of the default one's power

Answer = dict[str, Any]


def answer(machine: Machine, command: str, parameter: str, now: float) -> Answer:
    """The answer to one command."""
    if command in {"curtail", "profileset", "atmset", "logoff"}:
        return _in_session(machine, command, parameter, now)
    if command == "logon":
        return _logon(machine, now)
    if command == "version":
        row = {"API": "3.7", "CompileTime": "Tue Apr  8 22:05:35 UTC 2025", "LUXminer": VERSION}
        return _ok(22, "LUXminer versions", now, VERSION=row | {"Miner": VERSION[:15], "Type": machine.kind.name})
    if command == "config":
        return _ok(33, "LUXminer config", now, CONFIG=_config(machine))
    if command == "power":
        return _ok(311, "Power usage", now, POWER={"PSU": True, "Watts": round(machine.told(now))})
    if command == "summary":
        return _ok(11, "Summary", now, SUMMARY=_summary(machine, now))
    if command == "stats":
        rate = _summary(machine, now)["GHS 5s"]
        return _ok(70, "LUXminer stats", now, STATS=[{"Type": machine.kind.name}, {"Elapsed": 3453, "GHS 5s": rate}])
    if command == "session":
        live = machine.session if now < machine.session_until else ""
        return _ok(319, "Session information", now, SESSION={"SessionID": live})
    if command == "profiles":
        return _ok(323, "List profiles", now, PROFILES=_profiles(machine))
    return error(14, f"Invalid command '{command}'", now)


def encode(said: Answer) -> bytes:
    """As it goes over the wire."""
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode() + b"\0"


def error(code: int, words: str, now: float) -> Answer:
    """An answer that says no."""
    return {"STATUS": [_status("E", code, words, now)], "id": 1}


def _ok(code: int, words: str, now: float, **parts: Any) -> Answer:
    rows = {name: part if isinstance(part, list) else [part] for name, part in parts.items()}
    return {"STATUS": [_status("S", code, words, now)], **rows, "id": 1}


def _status(letter: str, code: int, words: str, now: float) -> Answer:
    return {"Code": code, "Description": f"LUXminer {VERSION}", "Msg": words, "STATUS": letter, "When": int(now)}


def _logon(machine: Machine, now: float) -> Answer:
    if machine.behaviour == Behaviour.BUSY or now < machine.session_until:
        return error(402, "Another session is active", now)
    machine.session, machine.session_until = secrets.token_hex(4), now + SESSION_SECONDS
    return _ok(316, "Session created", now, SESSION={"SessionID": machine.session})


def _in_session(machine: Machine, command: str, parameter: str, now: float) -> Answer:
    session, _, rest = parameter.partition(",")
    if session != machine.session or now >= machine.session_until:
        return error(403, "Invalid session", now)
    machine.session_until = now + SESSION_SECONDS
    if command == "logoff":
        machine.session_until = 0.0
        return _ok(317, "Session terminated", now)
    machine.said.append(f"{command} {rest}")
    if command == "atmset":
        return _ok(339, "ATM configuration set", now)
    if command == "profileset":
        return _set_profile(machine, rest, now)
    if rest not in {"sleep", "wakeup"} or not machine.change(asleep=rest == "sleep", now=now):
        return error(435, "Curtailment command failed", now)
    return _ok(335, "Curtailment command sent", now, CURTAIL={"Action": "sleep mode" if rest == "sleep" else "wake up"})


def _set_profile(machine: Machine, name: str, now: float) -> Answer:
    watts = {row["Profile Name"]: row["Watts"] for row in _profiles(machine)}.get(name)
    if watts is None or machine.behaviour == Behaviour.REFUSING:
        return error(423, "Profile not found", now)
    machine.limit = watts
    return _ok(321, "Profile Set", now, PROFILE={"Board": 0, "Profile": name})


def _profiles(machine: Machine) -> list[Answer]:
    kind = machine.kind
    return [
        {
            "Frequency": round(490 * part),
            "Hashrate": round(kind.terahashes * part, 1),
            "IsTuned": True,
            "Profile Name": "default" if part == 1 else f"{round(490 * part)}MHz",
            "Step": str(round((part - 1) * 20)),
            "Voltage": 13.4,
            "Watts": round(kind.watts * part),
        }
        for part in LIMITS
    ]


def _config(machine: Machine) -> Answer:
    return {
        "CurtailMode": "Sleep" if machine.asleep else "None",
        "Hostname": "miner",
        "IsAtmEnabled": True,
        "IsPowerSupplyOn": not machine.asleep,
        "MACAddr": "02:00:00:00:00:01",
        "Model": machine.kind.name,
        "NameplateTHS": machine.kind.terahashes,
        "OS": "LuxOS",
        "Profile": "default",
        "RedLed": "auto",
        "SerialNumber": "STANDIN0000000001",
        "SystemStatus": "Normal",
    }


def _summary(machine: Machine, now: float) -> Answer:
    ghs = round(machine.kind.terahashes * 1000 * machine.share(now), 2)
    return {"Accepted": 1483, "Elapsed": 3453, "GHS 5s": ghs, "GHS av": ghs, "Hardware Errors": 0, "Rejected": 1}
