"""The shapes of what `sys/` tells of its machine and of its configuration."""

from typing import NotRequired, TypedDict


class CPU(TypedDict):
    """A processor."""

    cpu: int
    vendorId: str
    family: str
    model: str
    modelName: str
    stepping: int
    physicalId: str
    coreId: str
    cores: int
    mhz: float
    cacheSize: int
    microcode: str
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
    fstype: str
    total: int
    free: int
    used: int
    usedPercent: float
    inodesTotal: int
    inodesUsed: int
    inodesFree: int
    inodesUsedPercent: float


class Host(TypedDict):
    """The system; its start in seconds since the epoch, and for how many seconds it is up."""

    hostname: str
    os: str
    platform: str
    platformFamily: str
    platformVersion: str
    kernelVersion: str
    kernelArch: str
    bootTime: int
    uptime: int
    procs: int
    virtualizationSystem: str
    virtualizationRole: str
    hostid: str


class Memory(TypedDict):
    """The memory, in bytes; how many huge pages, and the size of one."""

    total: int
    available: int
    free: int
    used: int
    usedPercent: float
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
    wired: int
    laundry: int
    writebacktmp: int
    sreclaimable: int
    sunreclaim: int
    commitlimit: int
    committedas: int
    hightotal: int
    highfree: int
    lowtotal: int
    lowfree: int
    vmalloctotal: int
    vmallocused: int
    vmallocchunk: int
    hugepagestotal: int
    hugepagesfree: int
    hugepagesize: int


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
    max_request_json_strings: int
    socket_mode: NotRequired[str]


class Listener(TypedDict):
    """A listener."""

    type: str
    config: _ListenerConfig


class Storage(TypedDict):
    """Where rows are kept."""

    type: str
    cluster_addr: str
    redirect_addr: str
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

    allow_audit_log_prefixing: bool
    api_addr: str
    audits: list[AuditDevice]
    cache_size: int
    cluster_addr: str
    cluster_cipher_suites: str
    cluster_name: str
    default_lease_ttl: int
    default_max_request_duration: int
    detect_deadlocks: str
    disable_cache: bool
    disable_clustering: bool
    disable_indexing: bool
    disable_performance_standby: bool
    disable_printable_check: bool
    disable_sealwrap: bool
    disable_sentinel_trace: bool
    enable_response_header_hostname: bool
    enable_response_header_raft_node_id: bool
    enable_ui: bool
    imprecise_lease_role_tracking: bool
    introspection_endpoint: bool
    listeners: list[Listener]
    log_format: str
    log_level: str
    log_requests_level: str
    max_lease_ttl: int
    pid_file: str
    plugin_directory: str
    plugin_file_permissions: int
    plugin_file_uid: int
    raw_storage_endpoint: bool
    seals: list[Seal]
    storage: Storage
    unsafe_allow_api_audit_creation: bool
    unsafe_cross_namespace_identity: bool
    workers: int
    pin_workers: bool
    shutdown_timeout: float
