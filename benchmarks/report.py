"""What all benchmarks print alike: the machine, tables, and how the numbers of a distribution are read off."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def machine() -> dict[str, str | int | float]:
    """What the numbers were made on, and how busy it was before."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "airflow": version("apache-airflow"),
        "httpx": version("httpx"),
        "load_before": round(os.getloadavg()[0], 2),
    }


def machine_line(of: dict[str, str | int | float] | None = None) -> str:
    of = of or machine()
    return (
        f"{of['cpu']}, {of['cores']} cores, {of['memory_gib']} GiB, {of['system']}, Python {of['python']}, "
        f"Airflow {of['airflow']}, httpx {of['httpx']}; load before: {of['load_before']}"
    )


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest of sorted values that is not below ``share`` of them; ``None`` if there are none."""
    if not values:
        return None
    return values[max(0, math.ceil(len(values) * share) - 1)]


def shown(value: float | None, digits: int = 2, unit: str = "") -> str:
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table that is readable on a screen and in Markdown."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return f"| {' | '.join([first, *others])} |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if place else "-") for place, width in enumerate(widths)) + "|"
    return "\n".join([line(head), rule, *map(line, rows)])
