"""Facts of the machine, as the kernel and /etc tell: processors, memory, the data's disk, system.

The names are those that Vault's clients know.
"""

import os
import platform
import uuid
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
    "WritebackTmp": "writebacktmp",
    "SReclaimable": "sreclaimable",
    "SUnreclaim": "sunreclaim",
    "CommitLimit": "commitlimit",
    "Committed_AS": "committedas",
    "HighTotal": "hightotal",
    "HighFree": "highfree",
    "LowTotal": "lowtotal",
    "LowFree": "lowfree",
    "VmallocTotal": "vmalloctotal",
    "VmallocUsed": "vmallocused",
    "VmallocChunk": "vmallocchunk",
    "HugePages_Total": "hugepagestotal",  # these two are counts
    "HugePages_Free": "hugepagesfree",
    "Hugepagesize": "hugepagesize",
}
_OTHERS: Final = ("wired", "laundry")  # what other systems than Linux have
_FAMILIES: Final = ("debian", "rhel", "fedora", "suse", "arch", "alpine")
_KIB: Final = 1024
_MACHINE_ID: Final = Path("/etc/machine-id")


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
            "stepping": _number(known.get("stepping", "")),
            "mhz": float(known.get("cpu MHz", 0)),
            "cacheSize": _number(known.get("cache size", "")),
            "microcode": known.get("microcode", ""),
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


def _number(text: str) -> int:
    """The number that a text begins with; 0 where it does not."""
    first = text.split(maxsplit=1)[:1]
    return int(first[0]) if first and first[0].isdigit() else 0


def _memory() -> Mapping[str, float]:
    found = dict.fromkeys((*_MEMORY.values(), *_OTHERS), 0)
    for line in _read("meminfo").splitlines():
        name, _, value = line.partition(":")
        if name in _MEMORY:
            found[_MEMORY[name]] = _number(value) * (_KIB if value.endswith("kB") else 1)
    used = found["total"] - found["available"]
    return {**found, "used": used, "usedPercent": _percent(used, found["total"])}


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _disk(path: str) -> Mapping[str, object]:
    found = os.statvfs(path)
    total, free = found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail
    used, nodes = total - found.f_frsize * found.f_bfree, found.f_files - found.f_ffree
    return {
        "path": path,
        "fstype": _file_system(path),
        "total": total,
        "free": free,
        "used": used,
        "usedPercent": _percent(used, used + free),
        "inodesTotal": found.f_files,
        "inodesUsed": nodes,
        "inodesFree": found.f_ffree,
        "inodesUsedPercent": _percent(nodes, found.f_files),
    }


def _file_system(path: str) -> str:
    """The kind of the file system that a path is on; "" where the kernel does not tell."""
    device = Path(path).stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in _read("self/mountinfo").splitlines():
        mount, _, kind = line.partition(" - ")
        if mount.split()[2] == wanted:
            return kind.split()[0]
    return ""


def _system() -> Mapping[str, object]:
    system = platform.uname()
    boot = next(
        (int(line.split()[1]) for line in _read("stat").splitlines() if line.startswith("btime")), 0
    )
    return {
        "hostname": system.node,
        "os": system.system.lower(),
        **_distribution(),
        "kernelVersion": system.release,
        "kernelArch": system.machine,
        "bootTime": boot,
        "uptime": int(float(_read("uptime").split()[0])),
        "procs": sum(1 for entry in _PROC.iterdir() if entry.name.isdigit()),
        "virtualizationSystem": "",  # the kernel does not say whose guest it is
        "virtualizationRole": "guest" if " hypervisor" in _read("cpuinfo") else "",
        "hostid": _host_id(),
    }


def _distribution() -> Mapping[str, str]:
    """Which Linux it is (os-release(5)): its name, its family, and its version."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    name = release.get("ID", "")
    family = next((one for one in [name, *release.get("ID_LIKE", "").split()] if one in _FAMILIES),
                  name)  # fmt: skip
    version = release.get("VERSION_ID", "")
    return {"platform": name, "platformFamily": family, "platformVersion": version}


def _host_id() -> str:
    """The machine's id, machine-id(5), as a UUID; else that of its present start."""
    try:
        return str(uuid.UUID(_MACHINE_ID.read_text(encoding="ascii").strip()))
    except (OSError, ValueError):
        return _read("sys/kernel/random/boot_id").strip()


def _read(name: str) -> str:
    return (_PROC / name).read_text(encoding="ascii", errors="replace")
