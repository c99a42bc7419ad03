"""The response store: durable, shared, and never a danger to a file that is not its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalsuite.client.store import STORED, SQLiteStore
from evalsuite.errors import StoreError
from evalsuite.records import STATUSES, Completion

ANSWER = Completion(status="ok", text="Paris", finish_reason="stop", fingerprint="f")


def put(store: SQLiteStore, name: str, completion: Completion = ANSWER) -> None:
    asyncio.run(store.put(name, "model", b"{}", completion))


def test_an_answer_is_found_again_after_reopening(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite")
    put(store, "a")
    asyncio.run(store.aclose())
    again = SQLiteStore(tmp_path / "s.sqlite")
    assert again.lookup("a") == ANSWER
    assert again.lookup("b") is None


def test_the_first_answer_to_a_question_stays(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite")
    put(store, "a")
    put(store, "a", Completion(status="ok", text="Lyon"))
    found = store.lookup("a")
    assert found is not None
    assert found.text == "Paris"


@pytest.mark.parametrize("status", STATUSES)
def test_failures_are_not_stored_and_so_are_asked_again(tmp_path: Path, status: str) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite")
    put(store, "a", Completion(status=status, text="x"))  # type: ignore[arg-type]
    assert (store.lookup("a") is not None) == (status in STORED)


def test_many_answers_in_one_turn_of_the_loop_share_a_commit(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite")
    commits: list[int] = []
    commit = store._commit
    store._commit = lambda rows: (commits.append(len(rows)), commit(rows))[1]  # type: ignore[method-assign]

    async def many() -> None:
        await asyncio.gather(*(store.put(str(i), "m", b"{}", ANSWER) for i in range(50)))

    asyncio.run(many())
    assert commits == [50]


def test_two_stores_on_one_file_see_each_other(tmp_path: Path) -> None:
    first, second = SQLiteStore(tmp_path / "s.sqlite"), SQLiteStore(tmp_path / "s.sqlite")
    put(first, "a")
    put(second, "b")
    assert first.lookup("b") == ANSWER
    assert second.lookup("a") == ANSWER


@pytest.mark.parametrize("content", [b"x", b"not a database at all" * 50, b"{}" * 600], ids=["letter", "text", "json"])
def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.sqlite"
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not a response store"):
        SQLiteStore(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a response store"):
        SQLiteStore(path)
    assert path.read_bytes() == before


def test_a_store_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = SQLiteStore(path)
    store._db.execute("PRAGMA user_version=99")
    asyncio.run(store.aclose())
    with pytest.raises(StoreError, match="another version"):
        SQLiteStore(path)


def test_a_corrupted_page_is_reported_not_repaired(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    store = SQLiteStore(path)
    for number in range(300):
        put(store, f"{number:032x}", Completion(status="ok", text="x" * 300))
    asyncio.run(store.aclose())
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreError, match="corrupt"):
        SQLiteStore(path).lookup(f"{7:032x}")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").mkdir()
    with pytest.raises(StoreError, match=r"s\.sqlite"):
        SQLiteStore(tmp_path / "s.sqlite")


HOLDER = """
import asyncio, sys
from evalsuite.client.store import SQLiteStore
from evalsuite.records import Completion
from pathlib import Path
async def main():
    store = SQLiteStore(Path(sys.argv[1]))
    assert await store.claim("a" * 32) is None
    print("claimed", flush=True)
    if sys.stdin.readline().strip() == "answer":
        await store.put("a" * 32, "m", b"{}", Completion(status="ok", text="theirs"))
    await store.release("a" * 32)
    sys.stdin.readline()
asyncio.run(main())
"""


@pytest.mark.parametrize("ending", ["answers", "fails", "is killed"])
def test_a_question_that_another_process_asks_is_waited_for(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "s.sqlite"
    store = SQLiteStore(path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout.readline() == "claimed\n"

        async def ask() -> Completion | None:
            other = await asyncio.wait_for(store.claim("b" * 32), 10)
            assert other is None
            turn = asyncio.create_task(store.claim("a" * 32))
            done, _ = await asyncio.wait([turn], timeout=0.2)
            assert not done
            if ending == "is killed":
                holder.kill()
            else:
                holder.stdin.write({"answers": "answer\n", "fails": "fail\n"}[ending])
                holder.stdin.flush()
            return await asyncio.wait_for(turn, 10)

        answer = asyncio.run(ask())
        assert (answer is not None and answer.text == "theirs") == (ending == "answers")
        holder.kill()
    asyncio.run(store.aclose())


WRITER = """
import asyncio, sys
from evalsuite.client.store import SQLiteStore
from evalsuite.records import Completion
from pathlib import Path
async def main():
    store = SQLiteStore(Path(sys.argv[1]))
    for number in range(100000):
        await store.put(f"{number:032x}", "m", b"{}", Completion(status="ok", text="x"))
        print(number, flush=True)
asyncio.run(main())
"""


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    seen = [writer.stdout.readline().strip() for _ in range(200)]
    os.kill(writer.pid, signal.SIGKILL)
    seen += writer.stdout.read().split()
    writer.wait()
    writer.stdout.close()
    store = SQLiteStore(path)
    assert all(store.lookup(f"{int(number):032x}") is not None for number in seen)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(), error=st.none() | st.text(), reward=st.none() | st.floats(allow_nan=False, allow_infinity=False))
def test_every_answer_comes_back_as_it_was(tmp_path: Path, text: str, error: str | None, reward: float | None) -> None:
    store = SQLiteStore(tmp_path / "s.sqlite")
    answer = Completion(status="ok", text=text, error=error, reward=reward)
    name = str(hash((text, error, reward)))
    put(store, name, answer)
    assert store.lookup(name) == answer
    asyncio.run(store.aclose())
