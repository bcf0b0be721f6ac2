"""The host behind the controller. Its directory has `behaviour.json`: what goes wrong; and `said`: what it was told.

behaviour.json: {"delay": seconds until a change of power is seen, "deaf_to": [reset types that change nothing],
"status": HTTP status that every request gets instead of its answer}. It is read anew for each request.
"""

import json
import ssl
import time
from pathlib import Path
from typing import Any

import bcrypt
import flask
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems import fakedriver
from werkzeug.serving import BaseWSGIServer, make_server

SYSTEM = {
    "uuid": "2f0c7a52-6b34-4a3e-9f0e-6d2d5f1b7a11",
    "name": "host",
    "power_state": "On",
    "external_notifier": False,
    "nics": [],
}
DELAY = 0.05  # seconds


class Board(fakedriver.FakeDriver):  # type: ignore[misc]
    """The emulator's host, with a delay that is not thrown by dice between 1 s and 11 s."""

    def set_power_state(self, identity: str, state: str) -> None:
        """What a reset does, a little later."""
        told(self._config["state"], state)
        now = behaviour(self._config["state"])
        if state in now.get("deaf_to", ()):
            return
        to = "Off" if state in {"ForceOff", "GracefulShutdown"} else "On"
        pending = {"power_state": to, "apply_time": time.time() + now.get("delay", DELAY)}
        self._update(self._get(identity), pending_power=pending)


def behaviour(state: Path) -> dict[str, Any]:
    """What goes wrong now."""
    path = state / "behaviour.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def told(state: Path, word: str) -> None:
    """Write down that the controller was told to reset the host."""
    with (state / "said").open("a") as file:
        file.write(f"{word}\n")


def server(*, state: Path, port: int, user: str, password: str, context: ssl.SSLContext) -> BaseWSGIServer:
    """The controller, not serving yet."""
    passwords = state / "passwords"
    passwords.write_text(f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n")
    fakedriver.FakeDriver = Board  # the emulator makes its host by this name
    app = emulator.app
    app.configure(
        extra_config={
            "state": state,
            "SUSHY_EMULATOR_FAKE_DRIVER": True,
            "SUSHY_EMULATOR_FAKE_SYSTEMS": [SYSTEM],
            "SUSHY_EMULATOR_STATE_DIR": str(state),
            "SUSHY_EMULATOR_AUTH_FILE": str(passwords),
        }
    )

    @app.before_request  # type: ignore[untyped-decorator]
    def break_down() -> None:
        if status := behaviour(state).get("status"):
            flask.abort(status)

    return make_server("127.0.0.1", port, app, threaded=True, ssl_context=context)
