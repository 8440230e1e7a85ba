# Copyright (c) 2026 Longshore contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tries to listen at ADDRESS and PORT, for a moment. When that can't be: the name of the error, and the system's words."""

from __future__ import annotations

import errno
import socket
import sys

host, port = sys.argv[1], sys.argv[2]
try:
    for family, kind, protocol, _name, address in socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE):
        if family == socket.AF_INET6 and not socket.has_ipv6:
            continue
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                # All addresses, spelt ::, are those of IPv4 too.
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(host != "::"))
            probe.bind(address)
            probe.listen(1)
except socket.gaierror as error:
    sys.exit(f"EADDRNOTAVAIL: {error.strerror}")
except OSError as error:
    sys.exit(f"{errno.errorcode.get(error.errno or 0, 'error')}: {error.strerror}")
