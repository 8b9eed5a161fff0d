"""Query latency with many clients while photos are described: `python -m benchmarks.bursts --clients 100`.

Every client sends its own queries on its own connection, each for one image by its name, and checks the result.
Prints p50 and p99 of the latency while indexing and when idle; fails on any wrong result.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time

from imgret.client.socket_client import Connection
from testbed.home import WORDLLAMA, Daemon, Home, tiny_models
from testbed.small_pngs import write_picture


def burst(daemon: Daemon, clients: int, queries: int, known: int) -> tuple[list[float], list[str]]:
    """Run the queries of all clients. Return the sorted latencies in seconds and a description of each wrong result."""
    seconds: list[float] = []
    wrong: list[str] = []
    start = threading.Barrier(clients)

    def client(number: int) -> None:
        with Connection(daemon.home.places.socket) as connection:
            start.wait()
            for turn in range(queries):
                name = f"landmark{(number * 7 + turn * 13) % known}"
                params = {"text": name, "k": 3, "rank": "words", "format": "json"}
                if turn % 2:
                    params["rank"] = "hybrid"
                begin = time.perf_counter()
                result, output = connection.request_bytes("query", params)
                seconds.append(time.perf_counter() - begin)
                paths = [json.loads(line)["path"] for line in output.splitlines()]
                if not any(path.endswith(f"/{name}.png") for path in paths):
                    wrong.append(f"{name}: {result} {paths}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seconds) != clients * queries:
        wrong.append(f"{clients * queries - len(seconds)} responses are missing")
    return sorted(seconds), wrong


def measured(
    models: str, clients: int, queries: int, photos: int
) -> dict[str, tuple[list[float], list[str]]]:
    """Measure a burst while `photos` photos are described, and one when the daemon is idle."""
    with Home(models) as home, home.daemon() as daemon:
        known = 50
        for number in range(known):
            write_picture(home.photos / f"landmark{number}.png", number)
        daemon.wait_until_idle()
        daemon.request("query", text="warm up")
        (home.photos / "more").mkdir()
        for number in range(photos):
            write_picture(home.photos / f"more/{number}.png", 1000 + number)
        while daemon.request("status")["state"] == "idle":
            time.sleep(0.02)
        working = burst(daemon, clients, queries, known)
        still = daemon.request("status")["state"]
        daemon.wait_until_idle(600)
        resting = burst(daemon, clients, queries, known)
        failed = json.loads(home.imgret("status", "--json").stdout)["failed"]
        if failed:
            working[1].append(f"{failed} photos failed")
        if "locked" in daemon.log() or "Traceback" in daemon.log():
            working[1].append(daemon.log())
        return {f"while indexing (state at its end: {still})": working, "when idle": resting}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--queries", type=int, default=10, help="per client")
    parser.add_argument("--questions", type=int, dest="queries", help=argparse.SUPPRESS)  # the old name
    parser.add_argument(
        "--photos", type=int, default=2000, help="number of photos that are described meanwhile"
    )
    parser.add_argument("--models", choices=("wordllama", "tiny"), default="wordllama")
    parser.add_argument("--json", action="store_true", help="one JSON object per burst")
    options = parser.parse_args()
    models = WORDLLAMA if options.models == "wordllama" else tiny_models()
    sound = True
    for when, (seconds, wrong) in measured(models, options.clients, options.queries, options.photos).items():
        sound &= not wrong
        if options.json:
            print(json.dumps({"when": when, "answers": len(seconds), "slowest": seconds[-1], "wrong": wrong}))
            continue
        p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
        print(
            f"{len(seconds)} queries of {options.clients} clients {when}: p50 {p50 * 1000:.0f} ms,"
            f" p99 {p99 * 1000:.0f} ms, {len(wrong)} wrong"
        )
        print("\n".join(wrong[:3]), end="\n" if wrong else "")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
