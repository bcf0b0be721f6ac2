"""A host's management controller (BMC) through Redfish. The only module that knows sushy."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
import sushy
from requests.adapters import HTTPAdapter
from sushy import connector, exceptions
from sushy.auth import BasicAuth

from leasing.power.base import (
    WITHIN,
    BootSource,
    Ours,
    Overtaken,
    PowerError,
    PowerRefused,
    PowerState,
    PowerUnreachable,
)

TIMEOUT = 15.0  # seconds for one answer; a controller is slow, but not slower
CONNECT_TIMEOUT = 5.0
FIRST_LOOK, LONGEST_LOOK = 0.2, 5.0  # seconds between two looks at the power state; they grow from one to the other

STATES: dict[Any, PowerState] = {sushy.PowerState.ON: "on", sushy.PowerState.OFF: "off"}
TARGETS: dict[str, Any] = {"network": sushy.BootSource.PXE, "disk": sushy.BootSource.HDD}
SOURCES: dict[Any, BootSource] = {sushy.BootSource.PXE: "network", sushy.BootSource.HDD: "disk"}


class Redfish:
    """
    Power of the host whose controller answers at `address`, "https://10.4.1.17".

    TLS is verified: against the CAs that this machine trusts (or REQUESTS_CA_BUNDLE), or, where the address ends in
    "#sha256:" and 64 hexadecimal digits, against the SHA-256 of the controller's own certificate. A path in the address
    names the system, for controllers that have several.
    """

    def __init__(
        self, *, address: str, user: str, password: str, timeout: float = TIMEOUT, ours: Ours = lambda: True
    ) -> None:
        """`timeout` is in seconds, for one answer. Raises PowerError for an address that is none."""
        parts = urlsplit(address if "://" in address else f"https://{address}")
        pinned = re.fullmatch(r"(?:sha256:((?:[0-9a-fA-F]{2}:?){32}))?", parts.fragment)
        if parts.scheme != "https" or not parts.hostname or pinned is None:
            raise PowerError(
                f"{address!r} is no address of a BMC. Write https://HOST or https://HOST#sha256:FINGERPRINT."
            )
        self.place = f"https://{parts.netloc.rpartition('@')[2]}"
        self._system_path, self._fingerprint = parts.path.rstrip("/") or None, pinned[1]
        self._user, self._password, self._timeout, self._ours = user, password, timeout, ours

    def state(self) -> PowerState:
        """One look."""
        with self._system() as system:
            return _state(system)

    def on(self, *, within: float = WITHIN) -> None:
        """Asks once and waits."""
        with self._system() as system:
            self._reach(system, "on", sushy.ResetType.ON, within=within)

    def off(self, *, grace: float = 0.0, within: float = WITHIN) -> None:
        """Asks the operating system first if there is grace; then takes the power away."""
        with self._system() as system:
            self._off(system, grace=grace, within=within)

    def cycle(self, *, within: float = WITHIN) -> None:
        """Not ForceRestart: a controller that says "on" before and after has not shown that anything happened."""
        ends = time.monotonic() + within
        with self._system() as system:
            self._off(system, within=within)
            self._reach(system, "on", sushy.ResetType.ON, within=ends - time.monotonic())

    def boot_source(self) -> BootSource:
        """As the controller tells it."""
        with self._system() as system:
            return SOURCES.get(system.boot.target, "other")

    def boot_from(self, source: Literal["network", "disk"], *, once: bool = True) -> None:
        """Sets it and reads it back."""
        enabled = sushy.BootSourceOverrideEnabled.ONCE if once else sushy.BootSourceOverrideEnabled.CONTINUOUS
        with self._system() as system:
            system.set_system_boot_options(target=TARGETS[source], enabled=enabled)
            system.refresh(force=True)
            if system.boot.target != TARGETS[source]:
                raise PowerError(f"The BMC at {self.place} took the boot source {source}, but does not show it.")

    @contextmanager
    def _system(self) -> Iterator[Any]:
        """The host, for one verb. Basic authentication: no session is opened, so none is left behind."""
        with connector.Connector(
            self.place,
            verify=self._fingerprint is None,
            server_side_retries=1,
            server_side_retries_delay=1,
            default_request_timeout=self._timeout,
            connect_timeout=min(self._timeout, CONNECT_TIMEOUT),
        ) as connection:
            if self._fingerprint:
                connection._session.mount("https://", _Pinned(self._fingerprint))
            with self._translated():
                login = BasicAuth(username=self._user, password=self._password)
                yield sushy.Sushy(self.place, auth=login, connector=connection).get_system(self._system_path)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever a controller and its library may say, in our three words."""
        try:
            yield
        except exceptions.AccessError as error:
            who = f"user {self._user!r}" if self._user else "a login without a user"
            raise PowerRefused(f"The BMC at {self.place} refuses {who}. Check its name and its password.") from error
        except exceptions.ConnectionError as error:
            if isinstance(error.__context__, requests.exceptions.SSLError):
                raise PowerRefused(
                    f"The BMC at {self.place} shows a certificate that is not trusted, so nothing was sent to it. "
                    "Pin its SHA-256 by writing #sha256:FINGERPRINT behind its address, or correct what is there."
                ) from error
            raise PowerUnreachable(f"The BMC at {self.place} does not answer.") from error
        except exceptions.ServerSideError as error:
            raise PowerUnreachable(
                f"The BMC at {self.place} has a fault of its own: HTTP {error.status_code}."
            ) from error
        except (
            exceptions.SushyError,
            requests.RequestException,
            LookupError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            raise PowerError(f"The BMC at {self.place} answers what cannot be used: {str(error)[:200]}") from error

    def _off(self, system: Any, *, grace: float = 0.0, within: float) -> None:
        if grace and _state(system) == "on":
            try:
                return self._reach(system, "off", sushy.ResetType.GRACEFUL_SHUTDOWN, within=grace)
            except (PowerError, exceptions.SushyError):
                system.refresh(force=True)
        return self._reach(system, "off", sushy.ResetType.FORCE_OFF, within=within)

    def _reach(self, system: Any, wanted: PowerState, how: sushy.ResetType, *, within: float) -> None:
        """Asks for the wanted state if it is not there, and looks until it is; the controller may fail meanwhile."""
        if _state(system) == wanted:
            return
        if not self._ours():
            raise Overtaken
        system.reset_system(how)
        ends, pause = time.monotonic() + within, FIRST_LOOK
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(pause * 2, LONGEST_LOOK)
            try:
                system.refresh(force=True)
            except (exceptions.ConnectionError, exceptions.ServerSideError):
                continue
            if _state(system) == wanted:
                return
        raise PowerError(
            f"The BMC at {self.place} took {how.value}, but the host is not {wanted} after {within:.0f} s."
        )


def _state(system: Any) -> PowerState:
    return STATES.get(system.power_state, "changing")


class _Pinned(HTTPAdapter):
    """Talks only to who shows the certificate with this SHA-256, whoever signed it."""

    def __init__(self, fingerprint: str) -> None:
        self._fingerprint = fingerprint
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Checked in each handshake, before a byte of ours is sent."""
        super().init_poolmanager(*args, **kwargs, assert_fingerprint=self._fingerprint)
