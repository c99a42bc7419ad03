"""The fault tests' command line and server, and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import postgres_server
import pytest
from faults.conftest import evalsuite, server, shared_server, site, start_server

__all__ = ["evalsuite", "server", "shared_server", "site", "start_server"]


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """URL of a real PostgreSQL; its tests are skipped where it is not installed."""
    pytest.importorskip("asyncpg")
    if postgres_server.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    with postgres_server.server() as url:
        yield url


@pytest.fixture
def empty_database(database: str) -> str:
    """The same without the store's table."""
    import asyncio

    import asyncpg

    async def drop() -> None:
        connection = await asyncpg.connect(database)
        await connection.execute("DROP TABLE IF EXISTS evalsuite_responses")
        await connection.close()

    asyncio.run(drop())
    return database
