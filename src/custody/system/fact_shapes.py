"""The shapes of what `sys/` tells of its machine and of its configuration."""

from typing import TypedDict


class CPU(TypedDict):
    """A processor."""

    cpu: int
    vendorId: str
    family: str
    model: str
    modelName: str
    physicalId: str
    coreId: str
    cores: int
    mhz: float
    flags: list[str]


class CPUTimes(TypedDict):
    """What a processor has done since the machine was started, in seconds."""

    cpu: str
    user: float
    nice: float
    system: float
    idle: float
    iowait: float
    irq: float
    softirq: float
    steal: float
    guest: float
    guestNice: float


class Disk(TypedDict):
    """The file system of the data, in bytes."""

    path: str
    total: int
    free: int
    used: int
    inodesTotal: int
    inodesFree: int
    inodesUsed: int


class Host(TypedDict):
    """The system; its start in seconds since the epoch, and for how many seconds it is up."""

    hostname: str
    os: str
    kernelVersion: str
    kernelArch: str
    bootTime: int
    uptime: int
    procs: int


class Memory(TypedDict):
    """The memory, in bytes."""

    total: int
    available: int
    free: int
    used: int
    active: int
    inactive: int
    buffers: int
    cached: int
    writeback: int
    dirty: int
    shared: int
    slab: int
    mapped: int
    pagetables: int
    swaptotal: int
    swapfree: int
    swapcached: int


class HostInfo(TypedDict):
    """The machine."""

    timestamp: str
    cpu: list[CPU]
    cpu_times: list[CPUTimes]
    disk: list[Disk]
    host: Host
    memory: Memory


class _ListenerConfig(TypedDict):
    address: str
    tls_disable: bool
    tls_min_version: str
    max_request_size: int


class Listener(TypedDict):
    """A listener."""

    type: str
    config: _ListenerConfig


class Storage(TypedDict):
    """Where rows are kept."""

    type: str
    disable_clustering: bool


class Seal(TypedDict):
    """A seal."""

    type: str
    disabled: bool


class AuditDevice(TypedDict):
    """A device that the configuration declares."""

    type: str
    path: str
    description: str


class Configuration(TypedDict):
    """What a server was started with; times in seconds."""

    api_addr: str
    cluster_addr: str
    cluster_name: str
    default_lease_ttl: int
    max_lease_ttl: int
    disable_cache: bool
    disable_clustering: bool
    enable_ui: bool
    raw_storage_endpoint: bool
    log_level: str
    log_format: str
    listeners: list[Listener]
    storage: Storage
    seals: list[Seal]
    audit: list[AuditDevice]
    workers: int
    shutdown_timeout: float
