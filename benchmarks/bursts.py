"""Many clients at once while photos are described: `python -m benchmarks.bursts --clients 100`.

Every client asks its own questions on its own connection, each for one picture by its name, and checks the
answer. Prints p50 and p99 of the answers' seconds, while indexing and at rest; fails on any wrong answer.
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


def burst(daemon: Daemon, clients: int, questions: int, known: int) -> tuple[list[float], list[str]]:
    """Ask. -> seconds of each answer, and what was wrong."""
    seconds: list[float] = []
    wrong: list[str] = []
    start = threading.Barrier(clients)

    def client(number: int) -> None:
        with Connection(daemon.home.places.socket) as connection:
            start.wait()
            for turn in range(questions):
                name = f"landmark{(number * 7 + turn * 13) % known}"
                params = {"text": name, "k": 3, "rank": "words", "format": "json"}
                if turn % 2:
                    params["rank"] = "hybrid"
                begin = time.perf_counter()
                result, output = connection.ask_bytes("query", params)
                seconds.append(time.perf_counter() - begin)
                paths = [json.loads(line)["path"] for line in output.splitlines()]
                if not any(path.endswith(f"/{name}.png") for path in paths):
                    wrong.append(f"{name}: {result} {paths}")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seconds) != clients * questions:
        wrong.append(f"{clients * questions - len(seconds)} answers never came")
    return sorted(seconds), wrong


def measured(
    models: str, clients: int, questions: int, photos: int
) -> dict[str, tuple[list[float], list[str]]]:
    """A burst while `photos` are being described, and one at rest."""
    with Home(models) as home, home.daemon() as daemon:
        known = 50
        for number in range(known):
            write_picture(home.photos / f"landmark{number}.png", number)
        daemon.wait_until_idle()
        daemon.ask("query", text="warm up")
        (home.photos / "more").mkdir()
        for number in range(photos):
            write_picture(home.photos / f"more/{number}.png", 1000 + number)
        while daemon.ask("status")["state"] == "idle":
            time.sleep(0.02)
        working = burst(daemon, clients, questions, known)
        still = daemon.ask("status")["state"]
        daemon.wait_until_idle(600)
        resting = burst(daemon, clients, questions, known)
        failed = json.loads(home.imgret("status", "--json").stdout)["failed"]
        if failed:
            working[1].append(f"{failed} photos failed")
        if "locked" in daemon.log() or "Traceback" in daemon.log():
            working[1].append(daemon.log())
        return {f"while indexing ({still} at its end)": working, "at rest": resting}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--questions", type=int, default=10, help="of each client")
    parser.add_argument("--photos", type=int, default=2000, help="described meanwhile")
    parser.add_argument("--models", choices=("wordllama", "tiny"), default="wordllama")
    parser.add_argument("--json", action="store_true", help="one JSON object a burst")
    options = parser.parse_args()
    models = WORDLLAMA if options.models == "wordllama" else tiny_models()
    sound = True
    for when, (seconds, wrong) in measured(
        models, options.clients, options.questions, options.photos
    ).items():
        sound &= not wrong
        if options.json:
            print(json.dumps({"when": when, "answers": len(seconds), "slowest": seconds[-1], "wrong": wrong}))
            continue
        p50, p99 = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
        print(
            f"{len(seconds)} answers to {options.clients} clients {when}: p50 {p50 * 1000:.0f} ms,"
            f" p99 {p99 * 1000:.0f} ms, {len(wrong)} wrong"
        )
        print("\n".join(wrong[:3]), end="\n" if wrong else "")
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
