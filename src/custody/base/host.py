"""Facts of the machine, read from /proc: processors, memory, the disk of the data, the system.

The names are those that Vault's clients know.
"""

import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")
_TICKS: Final = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest",
                 "guestNice")  # fmt: skip
_MEMORY: Final = {
    "MemTotal": "total",
    "MemAvailable": "available",
    "MemFree": "free",
    "Active": "active",
    "Inactive": "inactive",
    "Buffers": "buffers",
    "Cached": "cached",
    "Writeback": "writeback",
    "Dirty": "dirty",
    "Shmem": "shared",
    "Slab": "slab",
    "Mapped": "mapped",
    "PageTables": "pagetables",
    "SwapTotal": "swaptotal",
    "SwapFree": "swapfree",
    "SwapCached": "swapcached",
}
_KIB: Final = 1024


def facts(data_path: str) -> dict[str, object]:
    """All of them. `data_path` names the file system that is of interest; empty: none is."""
    return {
        "cpu": list(_processors()),
        "cpu_times": list(_times()),
        "disk": [_disk(data_path)] if data_path else [],
        "host": _system(),
        "memory": _memory(),
    }


def _processors() -> Iterator[Mapping[str, object]]:
    for block in _read("cpuinfo").strip().split("\n\n"):
        lines = (line.partition(":") for line in block.splitlines())
        known = {name.strip(): value.strip() for name, _, value in lines}
        if "processor" not in known:
            continue
        yield {
            "cpu": int(known["processor"]),
            "vendorId": known.get("vendor_id", ""),
            "family": known.get("cpu family", ""),
            "model": known.get("model", ""),
            "modelName": known.get("model name", ""),
            "physicalId": known.get("physical id", ""),
            "coreId": known.get("core id", ""),
            "cores": 1,
            "mhz": float(known.get("cpu MHz", 0)),
            "flags": known.get("flags", known.get("Features", "")).split(),
        }


def _times() -> Iterator[Mapping[str, object]]:
    ticks = os.sysconf("SC_CLK_TCK")
    for line in _read("stat").splitlines():
        name, *values = line.split()
        if name.startswith("cpu") and name != "cpu":
            seconds = (int(value) / ticks for value in values)
            known = dict(zip(_TICKS, seconds, strict=False))
            yield {"cpu": name, **dict.fromkeys(_TICKS, 0.0), **known}


def _memory() -> dict[str, int]:
    found = dict.fromkeys(_MEMORY.values(), 0)
    for line in _read("meminfo").splitlines():
        name, _, value = line.partition(":")
        if name in _MEMORY:
            found[_MEMORY[name]] = int(value.split()[0]) * _KIB
    return {**found, "used": found["total"] - found["available"]}


def _disk(path: str) -> Mapping[str, object]:
    found = os.statvfs(path)
    total, free = found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail
    return {
        "path": path,
        "total": total,
        "free": free,
        "used": total - found.f_frsize * found.f_bfree,
        "inodesTotal": found.f_files,
        "inodesFree": found.f_ffree,
        "inodesUsed": found.f_files - found.f_ffree,
    }


def _system() -> Mapping[str, object]:
    system = platform.uname()
    boot = next(
        (int(line.split()[1]) for line in _read("stat").splitlines() if line.startswith("btime")), 0
    )
    return {
        "hostname": system.node,
        "os": system.system.lower(),
        "kernelVersion": system.release,
        "kernelArch": system.machine,
        "bootTime": boot,
        "uptime": int(float(_read("uptime").split()[0])),
        "procs": sum(1 for entry in _PROC.iterdir() if entry.name.isdigit()),
    }


def _read(name: str) -> str:
    return (_PROC / name).read_text(encoding="ascii", errors="replace")
