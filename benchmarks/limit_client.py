"""The limit: what a bare closed loop of aiohttp, uvloop and orjson needs for the same requests.

`concurrency` workers send chat requests one after the other, decode each reply and keep its text; nothing is retried, stored or
scored. Every client and harness is quoted as a ratio to this one, measured in the same run.

    python benchmarks/limit_client.py --url http://127.0.0.1:8000/v1 --requests 2000 --concurrency 64
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import orjson
import uvloop


def chat_bodies(count: int, first: int = 0) -> list[list[dict[str, str]]]:
    """Conversations of about 60 words, all different: numbers `first` to `count - 1`."""
    filler = "Tell me in some detail what happened on the way, who was there and why it mattered to them. " * 3
    return [[{"role": "user", "content": f"Question {i}: {filler}"}] for i in range(first, count)]


async def closed_loop(
    url: str, conversations: Sequence[Sequence[dict[str, str]]], concurrency: int, model: str = "mock"
) -> list[str]:
    """Texts of all answers, in order; `url` ends in `/v1`."""
    texts = [""] * len(conversations)
    pending = iter(range(len(conversations)))

    async def worker(session: aiohttp.ClientSession) -> None:
        for index in pending:
            body = orjson.dumps(
                {"model": model, "messages": conversations[index], "temperature": 0.0, "max_tokens": 512}
            )
            async with session.post(f"{url}/chat/completions", data=body) as response:
                reply = orjson.loads(await response.read())
            texts[index] = reply["choices"][0]["message"]["content"]

    connector = aiohttp.TCPConnector(limit=concurrency)
    headers = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))
    return texts


def cpu_seconds() -> float:
    """User and system time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--log", type=Path, help="append every answer to this JSONL file")
    arguments = parser.parse_args()
    conversations = chat_bodies(arguments.requests)
    wall, cpu = time.perf_counter(), cpu_seconds()
    texts = uvloop.run(closed_loop(arguments.url, conversations, arguments.concurrency))
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    assert all(texts)
    if arguments.log:
        arguments.log.write_bytes(b"\n".join(orjson.dumps({"text": text}) for text in texts))
    print(json.dumps({"requests": len(texts), "wall_s": wall, "cpu_ms_per_request": 1000 * cpu / len(texts)}))


if __name__ == "__main__":
    main()
