# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which engine is meant, and where it is."""

from __future__ import annotations

import dataclasses
import os
import re
import typing as t

from ..errors import EngineError, InvalidOption
from .address import Address, Tls
from .interfaces import PrunableEngine

AUTO, DOCKER, PODMAN, CONTAINERD = "auto", "docker", "podman", "containerd"
_DOCKER_SOCKET = "/var/run/docker.sock"
_PODMAN_SOCKET = "/run/podman/podman.sock"
_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
_NAMESPACE = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")


@dataclasses.dataclass(frozen=True)
class EngineOptions:
    """What a task says of the engine. What it leaves out is told by the environment that the engines' own programs look at."""

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
    def of_task(cls, params: t.Mapping[str, t.Any]) -> EngineOptions:
        """The options of a task, which have these names. Raises InvalidOption for a time that can't be, and for what is no name of a namespace."""
        options = cls(**{field.name: params[field.name] for field in dataclasses.fields(cls)})
        if options.engine_timeout < 1:
            raise InvalidOption(f"engine_timeout is {options.engine_timeout:g}; it can't be less than 1")
        if not _NAMESPACE.fullmatch(options.containerd_namespace):
            raise InvalidOption(f"containerd_namespace {options.containerd_namespace!r} is not the name of a namespace")
        return options


def open_engine(options: EngineOptions, environment: t.Mapping[str, str]) -> PrunableEngine:
    """The engine that is asked for. Raises EngineError when it is absent, stopped, or keeps this user out, InvalidOption for what can't be."""
    places = _Places(options, environment)
    kind = options.engine if options.engine != AUTO else places.first()
    return {DOCKER: places.docker, PODMAN: places.podman, CONTAINERD: places.containerd}[kind]()


def find_program(name: str) -> str | None:
    """As programs.find_program, which only those runs import that need a program."""
    from .. import programs

    return programs.find_program(name)


def _explain_skipped(name: str) -> str:
    from .. import programs

    return programs.explain_skipped(name)


class _Places:
    """Where engines are on this host."""

    def __init__(self, options: EngineOptions, environment: t.Mapping[str, str]) -> None:
        self._options = options
        self._environment = environment

    def first(self) -> str:
        """The first of docker, podman and containerd that is here; whether it also answers is seen when it is asked."""
        if self._docker_address() is not None:
            return DOCKER
        if self._podman_address() is not None or find_program(PODMAN) is not None:
            return PODMAN
        if os.path.exists(self._containerd_socket()):
            return CONTAINERD
        raise EngineError(
            f"no engine was found on this host: there is no socket {_DOCKER_SOCKET}, {_PODMAN_SOCKET} or {self._containerd_socket()}, "
            f"and no program podman; start one, or say where it is{_explain_skipped(PODMAN)}"
        )

    # Docker.

    def docker(self) -> PrunableEngine:
        from .docker import open_docker
        from .http_api import Api

        return open_docker(Api(self._docker_address() or Address.unix(_DOCKER_SOCKET), DOCKER, self._options.engine_timeout))

    def _docker_address(self) -> Address | None:
        """What the task or the environment says, else the first socket that is here."""
        text = self._options.docker_host or self._environment.get("DOCKER_HOST")
        if text:
            return Address.parse(text, "docker_host", self._docker_tls())
        return self._first_socket([_DOCKER_SOCKET, *self._of_user("docker.sock")])

    def _docker_tls(self) -> Tls | None:
        options, folder = self._options, self._environment.get("DOCKER_CERT_PATH")
        verified = bool(self._environment.get("DOCKER_TLS_VERIFY"))
        wanted = options.docker_tls
        if wanted is None:
            wanted = verified or any((options.docker_ca_path, options.docker_client_cert))
        if not wanted:
            return None
        ca, certificate, key = options.docker_ca_path, options.docker_client_cert, options.docker_client_key
        if folder and not (ca or certificate):
            ca, certificate, key = (os.path.join(folder, name) for name in ("ca.pem", "cert.pem", "key.pem"))
        for path in (ca, certificate, key):
            if path and not os.path.exists(path):
                raise InvalidOption(f"{path}, which docker is to be reached with, doesn't exist")
        if key and not certificate:
            raise InvalidOption("docker_client_key has no docker_client_cert")
        return Tls(options.docker_validate_certs, ca, certificate, key)

    # Podman.

    def podman(self) -> PrunableEngine:
        from .podman import PodmanProgram, PodmanService

        address = self._podman_address()
        if address is not None:
            from .http_api import Api

            return PodmanService(Api(address, PODMAN, self._options.engine_timeout))
        program = find_program(PODMAN)
        if program is None:
            raise EngineError(
                f"podman is not on this host: there is no socket {_PODMAN_SOCKET}, and no program podman in its path{_explain_skipped(PODMAN)}"
            )
        return PodmanProgram(program, self._options.engine_timeout)

    def _podman_address(self) -> Address | None:
        text = self._options.podman_host or self._environment.get("CONTAINER_HOST")
        if text:
            return Address.parse(text, "podman_host")
        sockets = self._of_user("podman/podman.sock")
        return self._first_socket([_PODMAN_SOCKET] if os.geteuid() == 0 else sockets)

    # containerd.

    def containerd(self) -> PrunableEngine:
        from .containerd import Containerd

        program = find_program("ctr")
        if program is None:
            raise EngineError(f"containerd can't be asked: its program ctr is not in the path of this host{_explain_skipped('ctr')}")
        return Containerd(program, self._containerd_socket(), self._options.containerd_namespace, self._options.engine_timeout)

    def _containerd_socket(self) -> str:
        text = self._options.containerd_address or self._environment.get("CONTAINERD_ADDRESS") or _CONTAINERD_SOCKET
        path = text.removeprefix("unix://")
        if not path.startswith("/"):
            raise InvalidOption(f"containerd_address {text!r} is not the path of a socket")
        return path

    # Sockets.

    def _of_user(self, name: str) -> list[str]:
        """Where services of a user who is not root listen; a task may run without the variable that says so."""
        folder = self._environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
        return [os.path.join(folder, name)]

    @staticmethod
    def _first_socket(paths: t.Sequence[str]) -> Address | None:
        return next((Address.unix(path) for path in paths if os.path.exists(path)), None)
