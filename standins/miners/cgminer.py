"""The common API as BOSminer (https://docs.braiins.com/os/plus-en/Development/1_api.html) and Whatsminers speak it.

A Whatsminer's writing commands are encrypted, and this stand-in has no tokens: it refuses them, as one does whose
password is still the factory's.
"""

import json
from typing import Any

from standins.miners.machine import Machine

BOSMINER, BTMINER = "BOSminer+ 0.2.0-11012d53", "whatsminer v1.1"

Answer = dict[str, Any]


def bosminer(machine: Machine, command: str, parameter: str, now: float) -> Answer:
    """The answer of Braiins OS' BOSminer."""
    if command in {"pause", "resume"}:
        machine.said.append(command)
        if machine.change(asleep=command == "pause", now=now):
            return _ok(BOSMINER, 300, f"Mining {command}d", now, **{command.upper(): [True]})
        return _status(BOSMINER, "E", 301, f"Failed to {command} mining", now)
    if command == "version":
        rows = [{"API": "3.7", "BOSminer+": BOSMINER.partition(" ")[2], "Type": machine.kind.name}]
        return _ok(BOSMINER, 22, "BOSminer versions", now, VERSION=rows)
    if command == "summary":
        rate = machine.kind.terahashes * 1e6 * machine.share(now)
        row = {"Elapsed": 3453, "MHS av": rate, "MHS 5s": rate, "Found Blocks": 0, "Accepted": 1483, "Rejected": 1}
        return _ok(BOSMINER, 11, "Summary", now, SUMMARY=[row])
    if command == "tunerstatus":
        row = {"ApproximateMinerPowerConsumption": round(machine.told(now)), "PowerLimit": machine.limit}
        return _ok(BOSMINER, 0, "Tuner Status", now, TUNERSTATUS=[row])
    return _status(BOSMINER, "E", 14, "Invalid command", now)


def whatsminer(machine: Machine, command: str, parameter: str, now: float) -> Answer:
    """The answer of a Whatsminer (API 2)."""
    if command == "version":
        return _ok("cgminer 4.9.2", 22, "CGMiner versions", now, VERSION=[{"CGMiner": "4.9.2", "API": "3.7"}])
    if command == "summary":
        rate, watts = machine.kind.terahashes * 1e6 * machine.share(now), round(machine.told(now))
        row = {"Elapsed": 25000, "MHS av": rate, "HS RT": rate, "Power": watts, "Power Limit": machine.limit}
        return _ok("cgminer 4.9.2", 11, "Summary", now, SUMMARY=[row | {"Power Mode": "Normal"}])
    refused = {"STATUS": "E", "When": int(now), "Code": 14, "Msg": "invalid cmd", "Description": BTMINER}
    return refused


def encode(said: Answer) -> bytes:
    """As it goes over the wire."""
    return json.dumps(said, separators=(",", ":")).encode() + b"\0"


def _ok(who: str, code: int, words: str, now: float, **parts: list[Any]) -> Answer:
    status = _status(who, "S", code, words, now)["STATUS"]
    return {"STATUS": status, **parts, "id": 1}


def _status(who: str, letter: str, code: int, words: str, now: float) -> Answer:
    row = {"STATUS": letter, "When": int(now), "Code": code, "Msg": words, "Description": who}
    return {"STATUS": [row], "id": 1}
