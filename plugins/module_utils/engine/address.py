# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parse the address of an engine (a unix socket, or a TCP port with or without TLS) and connect to it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import re
import socket
import typing as t

from ..errors import EngineError, InvalidOption
from ..oci.text import without_userinfo

_CONNECT_SECONDS = 10
_TCP = re.compile(r"(?:tcp|https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?/?")
PLAIN_PORT, TLS_PORT = 2375, 2376


@dataclasses.dataclass(frozen=True)
class Tls:
    """The TLS settings of a connection: how the engine's certificate is verified, and the certificate of this host."""

    verify: bool = True
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None


@dataclasses.dataclass(frozen=True)
class Address:
    """The address of an engine: `path` for a unix socket, otherwise `host` and `port`."""

    text: str
    path: str = ""
    host: str = ""
    port: int = 0
    tls: Tls | None = None

    @classmethod
    def unix(cls, path: str) -> Address:
        return cls(text=f"unix://{path}", path=path)

    @classmethod
    def parse(cls, text: str, option: str, tls: Tls | None = None) -> Address:
        """Parse `unix:///path` or `tcp://host[:port]`. TLS are the settings for a TCP port, None for plain HTTP.

        Raises InvalidOption, which names OPTION, for any other text.
        """
        if text.startswith("unix://"):
            path = text[len("unix://") :]
            if not path.startswith("/"):
                raise InvalidOption(f"{option} {without_userinfo(text)!r} is not the address of a socket: write unix:// and the absolute path")
            return cls.unix(path)
        match = _TCP.fullmatch(text)
        if match is None or int(match.group(2) or 0) > 65535:
            raise InvalidOption(f"{option} {without_userinfo(text)!r} is not a valid address: write unix:///path or tcp://host:port")
        if text.startswith("https://") and tls is None:
            tls = Tls()
        port = int(match.group(2) or (PLAIN_PORT if tls is None else TLS_PORT))
        return cls(text=text, host=match.group(1).strip("[]"), port=port, tls=tls)

    def connect(self, title: str, timeout: float) -> socket.socket:
        """Return an open connection.

        Raises EngineError, which says whether the socket is missing, the engine doesn't listen, or this user has no permission.
        """
        with report_connection_errors(title, self.text):
            if self.path:
                opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                try:
                    opened.settimeout(_CONNECT_SECONDS)
                    opened.connect(self.path)
                except BaseException:
                    opened.close()
                    raise
            else:
                opened = socket.create_connection((self.host, self.port), _CONNECT_SECONDS)
            opened.settimeout(timeout)
            return _wrap_in_tls(opened, self.host, self.tls) if self.tls is not None else opened


def _wrap_in_tls(plain: socket.socket, host: str, settings: Tls) -> socket.socket:
    import ssl

    try:
        context = ssl.create_default_context(cafile=settings.ca)
        # Python 3.13 refuses certificate authorities that miss an extension of RFC 5280, as most private ones do. Docker's client accepts them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not settings.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if settings.certificate is not None:
            context.load_cert_chain(settings.certificate, settings.key)
        return context.wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


@contextlib.contextmanager
def report_connection_errors(title: str, place: str) -> t.Iterator[None]:
    """Convert errors of a connection to the engine TITLE at PLACE into EngineError with one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise EngineError(f"{title} can't be reached at {place}: there is no such socket; is it installed and started on this host?") from error
    except ConnectionRefusedError as error:
        raise EngineError(f"{title} can't be reached at {place}: the engine doesn't listen there; is it started?") from error
    except PermissionError as error:
        raise EngineError(
            f"{title} can't be used at {place}: the user {_current_user()} may not open its socket; run the task as a user who may"
        ) from error
    except (TimeoutError, socket.timeout) as error:  # the same class since Python 3.10
        raise EngineError(f"{title} at {place} didn't answer in time") from error
    except (ConnectionError, EOFError) as error:
        raise EngineError(f"{title} at {place} closed the connection unexpectedly ({error.__class__.__name__})") from error
    except OSError as error:
        raise EngineError(f"{title} can't be reached at {place}: {error.strerror or error}") from error


def _current_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
