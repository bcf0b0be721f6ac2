"""`./run trial`: one lease, once round, each step with its time. Ends non-zero at the first thing that is wrong."""

import argparse
import json
import os
import secrets
import sys
import time
from contextlib import nullcontext
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from config.part import Trouble
from config.trial import ssh
from config.trial.api import Api, Json, Wrong
from config.trial.real_host import IMAGE, real_host

IMAGES = {"sandbox": "base", "podman": IMAGE}
WORK_SECONDS = 3  # so that there is something to bill
OVER = {"ended", "failed", "cancelled", "expired"}


class Trial:
    """The customer: an API client, an SSH key, and a stopwatch."""

    def __init__(self, demo: dict[str, Any], provisioner: str, offer: str = "") -> None:
        self.api = Api(os.environ.get("BASE_URL", demo["base_url"]), demo["api_token"])
        self.key = str(demo["ssh_private_key"])
        self.provisioner, self.wanted = provisioner, offer
        self.began = self.last = time.monotonic()
        self.seen = ""

    def run(self) -> None:
        """The main job. Raises Wrong."""
        offer = self.find()
        lease = self.order(offer)
        try:
            lease = self.start(lease)
            self.work(lease)
        except BaseException:
            self.api.post(f"leases/{lease['id']}/return")
            raise
        self.give_back(lease)
        self.check_money(lease["id"])
        print(f"\nAll as promised, in {time.monotonic() - self.began:.1f} s.")

    def step(self, text: str) -> None:
        """Report what was done, and how long it took."""
        now = time.monotonic()
        print(f"{now - self.began:7.1f} s  (+{now - self.last:.1f})  {text}", flush=True)
        self.last = now

    def find(self) -> Json:
        """The cheapest offer of the provisioner that is free now."""
        query = urlencode({"plan": "on_demand", "nodes": 1, "page_size": 200})
        offers = [row for row in self.api.every(f"offers?{query}") if row["provisioner"] == self.provisioner]
        free = [row for row in offers if row["free"] > 0 and self.wanted in {"", row["id"]}]
        expect(free, f"an offer on {self.provisioner} nodes that is free now; {len(offers)} are listed, none is free")
        offer = min(free, key=lambda row: int(row["micros_per_node_hour"]))
        kind = "simulated" if offer["simulated"] else "real"
        self.step(f"found {offer['id']}: {kind} node, ${offer['micros_per_node_hour'] / 1e6:.2f} an hour")
        return offer

    def order(self, offer: Json) -> Json:
        """Quote and order; the order is sent twice, as after a lost answer, and must make one lease."""
        quote = self.api.post("quotes", {"offer": offer["id"], "nodes": 1}, key=secrets.token_hex())
        equal(quote["micros_per_node_hour"], offer["micros_per_node_hour"], "the quoted price")
        self.step(f"quoted: {quote['id']}, kept until {quote['expires_at']}")
        keys = list(self.api.every("ssh-keys"))
        expect(keys, "an SSH key of the organization")
        body = {"quote": quote["id"], "name": "trial", "ssh_keys": [keys[0]["id"]], "image": IMAGES[self.provisioner]}
        retry_key = secrets.token_hex()
        lease = self.api.post("leases", body, key=retry_key)
        self.step(f"ordered: {lease['id']}, {lease['state']}")
        equal(self.api.post("leases", body, key=retry_key)["id"], lease["id"], "the lease of a retried order")
        self.step("sent the order again with the same Idempotency-Key: the same lease")
        return lease

    def start(self, lease: Json) -> Json:
        """Wait until the machine is in our hands."""
        lease = self.api.wait(
            f"leases/{lease['id']}", lambda answer: answer["state"] in {"active", *OVER}, seconds=600, see=self.see
        )
        equal(lease["state"], "active", f"the lease's state (reason: {lease['reason'] or 'none'})")
        self.step(f"active at {lease['state_since']}")
        return lease

    def see(self, answer: Json) -> None:
        """Report each new step of the lease."""
        words = f"{answer['state']}: {answer['step']}" if answer.get("step") else answer["state"]
        if words != self.seen:
            self.seen = words
            self.step(words)

    def work(self, lease: Json) -> None:
        """Log in with the OpenSSH client, leave a file, find it again, look at the GPUs."""
        door = door_of(lease)
        marker = secrets.token_hex(8)
        equal(ssh.run(door, self.key, f"echo {marker} > marker && cat marker").strip(), marker, "the file's content")
        self.step(f"logged in: ssh -p {door['port']} {door['user']}@{door['host']}")
        equal(ssh.run(door, self.key, "cat marker").strip(), marker, "the file's content at the next log-in")
        ssh.run(door, self.key, f"sleep {WORK_SECONDS}")
        self.step(f"worked for {WORK_SECONDS} s")
        if self.provisioner == "sandbox":
            gpus = ssh.run(door, self.key, "nvidia-smi -L").strip().splitlines()
            expect(gpus, "at least one GPU in nvidia-smi -L")
            self.step(f"{len(gpus)} GPU(s): {gpus[0]}")

    def give_back(self, lease: Json) -> None:
        """Return it; access ends, and the proof of the wipe follows."""
        path, door = f"leases/{lease['id']}", door_of(lease)
        returned = self.api.post(f"{path}/return")
        expect(returned["state"] in {"reclaiming", "ended"}, f"a lease being reclaimed, not {returned['state']}")
        self.step("returned; the meter stands still")
        self.api.wait(path, lambda answer: answer["state"] in OVER, seconds=600, see=self.see)
        expect(ssh.refused(door, self.key), "that the machine admits us no longer")
        certificate = self.api.get(f"{path}/wipe-certificate")
        expect(certificate["verified"], "a verified wipe")
        checks = [check["name"] for wipe in certificate["wipes"] for check in wipe["checks"]]
        self.step(f"wiped and verified: {', '.join(checks)}")

    def check_money(self, lease: str) -> None:
        """Seconds from the transitions, less outages, times the rate, is the receipt's charge and the usage's sum."""
        self.api.wait(f"leases/{lease}/receipt", lambda answer: bool(answer["final"]), seconds=120, see=lambda _: None)
        receipt = self.api.get(f"leases/{lease}/receipt")
        seconds = active_seconds(list(self.api.every(f"leases/{lease}/transitions")))
        equal(receipt["seconds"], seconds, "the receipt's seconds")
        node_seconds = receipt["seconds"] * receipt["nodes"] - receipt["outage_node_seconds"]
        due = receipt["micros_per_node_hour"] * node_seconds // 3600
        equal(receipt["charged_micros"], due, "the receipt's charge")
        expect(seconds >= WORK_SECONDS and due > 0, f"a charge for at least {WORK_SECONDS} s, not {due} for {seconds}")
        self.usage_sums_to(lease, due)
        self.step(f"receipt: {seconds} s at ${receipt['micros_per_node_hour'] / 1e6:.2f} an hour = ${due / 1e6:.6f}")

    def usage_sums_to(self, lease: str, due: int) -> None:
        """The metered slices arrive a little later than the receipt, and add up to it."""
        deadline = time.monotonic() + 90
        while (total := sum(int(row["micros"]) for row in self.api.every(f"leases/{lease}/usage"))) != due:
            expect(time.monotonic() < deadline, f"usage that adds up to {due} micro-dollars, not {total}")
            time.sleep(0.5)


def door_of(lease: Json) -> Json:
    """Where one logs in: at the machine that serves, not at one that failed to start before it."""
    return next(machine["ssh"] for machine in lease["machines"] if machine["ssh"])


def active_seconds(transitions: list[Json]) -> int:
    """Whole seconds in `active`, by the transitions."""
    rows = sorted(transitions, key=lambda row: int(row["seq"]))
    total = sum(
        (datetime.fromisoformat(after["at"]) - datetime.fromisoformat(row["at"])).total_seconds()
        for row, after in pairwise(rows)
        if row["new"] == "active"
    )
    return int(total)


def expect(found: object, what: str) -> None:
    """Raise Wrong unless `found`."""
    if not found:
        raise Wrong(f"Expected {what}.")


def equal(found: object, wanted: object, what: str) -> None:
    """Raise Wrong unless both are the same."""
    if found != wanted:
        raise Wrong(f"Expected {what} to be {wanted!r}; found {found!r}.")


def main() -> None:
    """Run the trial; the exit status says whether all was well."""
    parser = argparse.ArgumentParser(prog="./run trial", description=__doc__)
    parser.add_argument("--provisioner", choices=["sandbox", "podman"], default="sandbox")
    provisioner = parser.parse_args().provisioner
    demo = json.loads((Path(os.environ["STATE_DIR"]) / "demo.json").read_text())
    try:
        with real_host() if provisioner == "podman" else nullcontext("") as offer:
            Trial(demo, provisioner, offer).run()
    except Wrong as wrong:
        sys.exit(f"\nWRONG: {wrong}")
    except Trouble as trouble:
        sys.exit(str(trouble))


if __name__ == "__main__":
    main()
