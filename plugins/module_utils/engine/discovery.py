# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find the engine of a task: which one it is, and where it listens."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ..errors import EngineError, InvalidOption
from .address import Address, Tls
from .interfaces import ManagedEngine

AUTO, DOCKER, PODMAN, CONTAINERD = "auto", "docker", "podman", "containerd"
_DOCKER_SOCKET = "/var/run/docker.sock"
_PODMAN_SOCKET = "/run/podman/podman.sock"
_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
_NAMESPACE = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """The engine options of a task. The environment variables that the engines' own programs read are the defaults."""

    engine: str = AUTO
    docker_host: str | None = None
    docker_tls: bool | None = None
    docker_validate_certs: bool = True
    docker_ca_path: str | None = None
    docker_client_cert: str | None = None
    docker_client_key: str | None = None
    podman_host: str | None = None
    containerd_address: str | None = None
    containerd_namespace: str = "default"
    engine_timeout: float = 600

    @classmethod
    def of_task(cls, params: t.Mapping[str, t.Any], engine: str = AUTO, namespace: str | None = None) -> EngineOptions:
        """Return the options from the parameters of a task, which have the same names, for ENGINE. NAMESPACE replaces that of the task.

        Raises InvalidOption for an invalid namespace.
        """
        values = {field.name: params[field.name] for field in dataclasses.fields(cls) if field.name != "engine"}
        options = cls(engine, **{**values, "containerd_namespace": namespace or values["containerd_namespace"]})
        if not _NAMESPACE.fullmatch(options.containerd_namespace):
            raise InvalidOption(f"containerd_namespace {options.containerd_namespace!r} is not the name of a namespace")
        return options


def open_engine(options: EngineOptions, environment: t.Mapping[str, str]) -> ManagedEngine:
    """Return the engine that the options select.

    Raises EngineError if it is missing, stopped, or refuses this user; InvalidOption for invalid options.
    """
    finder = _EngineFinder(options, environment)
    kind = options.engine if options.engine != AUTO else finder.find_first()
    return {DOCKER: finder.open_docker, PODMAN: finder.open_podman, CONTAINERD: finder.open_containerd}[kind]()


def find_program(name: str) -> str | None:
    """Call programs.find_program. The import is local because only some runs need a program."""
    from ...module_utils import programs

    return programs.find_program(name)


def _explain_skipped(name: str) -> str:
    from ...module_utils import programs

    return programs.explain_skipped(name)


class _EngineFinder:
    """Find and open engines on this host."""

    def __init__(self, options: EngineOptions, environment: t.Mapping[str, str]) -> None:
        self._options = options
        self._environment = environment

    def find_first(self) -> str:
        """Return the first of docker, podman and containerd that is installed. Don't check that it answers.

        Raises EngineError if there is none.
        """
        if self._docker_address() is not None:
            return DOCKER
        if self._podman_address() is not None or find_program(PODMAN) is not None:
            return PODMAN
        if os.path.exists(self._containerd_socket()):
            return CONTAINERD
        raise EngineError(
            f"no engine was found on this host: there is no socket {_DOCKER_SOCKET}, {_PODMAN_SOCKET} or {self._containerd_socket()}, "
            f"and no program podman; start one, or set its address{_explain_skipped(PODMAN)}"
        )

    # Docker.

    def open_docker(self) -> ManagedEngine:
        from .docker import open_docker
        from .http_api import Api

        return open_docker(Api(self._docker_address() or Address.unix(_DOCKER_SOCKET), DOCKER, self._options.engine_timeout))

    def _docker_address(self) -> Address | None:
        """Return the address from the task or the environment, or else the first socket that exists."""
        text = self._options.docker_host or self._environment.get("DOCKER_HOST")
        if text:
            return Address.parse(text, "docker_host", self._docker_tls())
        return self._first_socket([_DOCKER_SOCKET, *self._user_sockets("docker.sock")])

    def _docker_tls(self) -> Tls | None:
        options, folder = self._options, self._environment.get("DOCKER_CERT_PATH")
        verifies = bool(self._environment.get("DOCKER_TLS_VERIFY"))
        uses_tls = options.docker_tls
        if uses_tls is None:
            uses_tls = verifies or any((options.docker_ca_path, options.docker_client_cert))
        if not uses_tls:
            return None
        ca, certificate, key = options.docker_ca_path, options.docker_client_cert, options.docker_client_key
        if folder and not (ca or certificate):
            ca, certificate, key = (os.path.join(folder, name) for name in ("ca.pem", "cert.pem", "key.pem"))
        for path in (ca, certificate, key):
            if path and not os.path.isfile(path):  # the TLS library would wait for a FIFO forever
                raise InvalidOption(f"the TLS file {path} for the connection to docker doesn't exist, or is no file")
        if key and not certificate:
            raise InvalidOption("docker_client_key is set without docker_client_cert; set both")
        return Tls(options.docker_validate_certs, ca, certificate, key)

    # Podman.

    def open_podman(self) -> ManagedEngine:
        from .podman import PodmanProgram, PodmanService

        address = self._podman_address()
        if address is not None:
            from .http_api import Api

            return PodmanService(Api(address, PODMAN, self._options.engine_timeout))
        program = find_program(PODMAN)
        if program is None:
            raise EngineError(
                f"podman is not on this host: there is no socket {_PODMAN_SOCKET}, and no program podman in its PATH{_explain_skipped(PODMAN)}"
            )
        return PodmanProgram(program, self._options.engine_timeout)

    def _podman_address(self) -> Address | None:
        text = self._options.podman_host or self._environment.get("CONTAINER_HOST")
        if text:
            return Address.parse(text, "podman_host")
        sockets = self._user_sockets("podman/podman.sock")
        return self._first_socket([_PODMAN_SOCKET] if os.geteuid() == 0 else sockets)

    # containerd.

    def open_containerd(self) -> ManagedEngine:
        from .containerd import Containerd

        program = find_program("ctr")
        if program is None:
            raise EngineError(f"containerd can't be used: its program ctr is not in the PATH of this host{_explain_skipped('ctr')}")
        return Containerd(program, self._containerd_socket(), self._options.containerd_namespace, self._options.engine_timeout)

    def _containerd_socket(self) -> str:
        text = self._options.containerd_address or self._environment.get("CONTAINERD_ADDRESS") or _CONTAINERD_SOCKET
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise InvalidOption(f"containerd_address {text!r} is not the path of a socket")
        return path

    # Sockets.

    def _user_sockets(self, name: str) -> list[str]:
        """Return the sockets of a user's own services. A task may run without XDG_RUNTIME_DIR, so the usual folder is the default."""
        folder = self._environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
        return [os.path.join(folder, name)]

    @staticmethod
    def _first_socket(paths: t.Sequence[str]) -> Address | None:
        return next((Address.unix(path) for path in paths if os.path.exists(path)), None)
