"""The fault tests' command line and server."""

from __future__ import annotations

from faults.conftest import evalsuite, server, shared_server, site, start_server

__all__ = ["evalsuite", "server", "shared_server", "site", "start_server"]
