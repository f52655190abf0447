"""How fast the sandbox is: prints three numbers and what they should be.

    python benchmarks/sandbox.py

With 1,000 waiting jobs: the 95th percentile of a list of 150 ids asked for by ten clients at once (< 25 ms);
creations per second through the API (>= 300/s); and the time until the first answer (< 1 s, imports left out).
Clients and server share the machine's cores.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from airflow_provider_theeye.sandbox import Sandbox

WAITING, IDS, CLIENTS, REQUESTS, CREATIONS = 1000, 150, 10, 60, 1500


def _connection(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)


def _create(url: str, token: str, task: str, count: int) -> list[str]:
    connection = _connection(url)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    ids = []
    for number in range(count):
        body = json.dumps({"task": task, "task_arguments": [f"n{number}"], "lifecycle": "syncing"})
        connection.request("POST", "/job", body, headers)
        answer = json.loads(connection.getresponse().read())
        ids.append(answer["id"])
    return ids


def _list(url: str, token: str, ids: list[str], out: multiprocessing.Queue[list[float]]) -> None:
    connection = _connection(url)
    headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip"}
    name = quote("where[_id][$in][]")
    took = []
    for _ in range(REQUESTS):
        query = "&".join(f"{name}={one}" for one in random.sample(ids, IDS))
        began = time.perf_counter()
        connection.request("GET", f"/demo/job?{query}", headers=headers)
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - began)
        if answer.status != 200:
            raise SystemExit(f"list answered {answer.status}")
    out.put(took)


def listing(sandbox: Sandbox, ids: list[str]) -> float:
    """Milliseconds, 95th percentile."""
    out: multiprocessing.Queue[list[float]] = multiprocessing.Queue()
    arguments = (sandbox.url, sandbox.token(), ids, out)
    clients = [multiprocessing.Process(target=_list, args=arguments) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    took = [one for _ in clients for one in out.get()]
    for client in clients:
        client.join()
    return statistics.quantiles(took, n=20)[-1] * 1000


def creating(sandbox: Sandbox) -> float:
    """Jobs per second, four clients."""
    share = CREATIONS // 4
    arguments = (sandbox.url, sandbox.token(), sandbox.task_id("greet"), share)
    clients = [multiprocessing.Process(target=_create, args=arguments) for _ in range(4)]
    began = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return share * 4 / (time.perf_counter() - began)


def starting() -> float:
    """Seconds from nothing to the first answer, interpreter and imports included."""
    began = time.perf_counter()
    with Sandbox() as sandbox:
        sandbox.journal()
        return time.perf_counter() - began


def main() -> None:
    """Prints the three numbers."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(db=Path(folder) / "jobs.db") as sandbox:
        ids = _create(sandbox.url, sandbox.token(), sandbox.task_id("greet"), WAITING)
        print(f"list of {IDS} ids, {CLIENTS} clients, p95   {listing(sandbox, ids):7.1f} ms    (target < 25 ms)")
        print(f"creations, with a database          {creating(sandbox):7.0f} /s    (target >= 300 /s)")
    print(f"start, imports included             {starting():7.2f} s     (target < 1 s, imports left out)")


if __name__ == "__main__":
    main()
