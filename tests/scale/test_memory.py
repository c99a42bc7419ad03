"""Memory is bounded by what is in flight, plus some hundred bytes per sample: a million samples fit into a gigabyte."""

from __future__ import annotations

import subprocess
import sys

from faults.command_line import CommandLine

FEW, MANY, MILLION = 20_000, 100_000, 1_000_000
GIGABYTE = 1e9

# A forked process starts with its parent's peak, and exec does not lower it: the run is started by a small process, so that
# its peak is not that of the test runner, which may have loaded models by then.
STARTER = """
import os, sys
child = os.posix_spawn(sys.executable, [sys.executable, "-m", "evalsuite", *sys.argv[1:]], os.environ,
                       file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)])
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def peak_bytes(evalsuite: CommandLine, count: int) -> int:
    """Largest resident size of a whole run of `count` samples."""
    words = ["run", "--model", "fake:constant", "--tasks", "addition", "--set", f"addition.count={count}"]
    done = subprocess.run(
        [sys.executable, "-S", "-c", STARTER, *words, "--out", str(evalsuite.folder / str(count) / "run")],
        cwd=evalsuite.folder,
        env=evalsuite.environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_million_samples_stream_through_in_less_than_a_gigabyte(evalsuite: CommandLine) -> None:
    few, many = peak_bytes(evalsuite, FEW), peak_bytes(evalsuite, MANY)
    assert many > few
    per_sample = (many - few) / (MANY - FEW)
    assert few + per_sample * (MILLION - FEW) < GIGABYTE
