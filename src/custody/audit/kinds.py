"""Names the kinds of audit devices, and for each how to check its options and make one."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from custody.audit.device import Device
from custody.audit.file import check_file, make_file
from custody.base.clock import Clock
from custody.base.ids import Source


class Kind(msgspec.Struct, frozen=True):
    """A kind of device.

    `check` raises BadRequest for options that cannot work; `make` takes the device's path and
    options and does no input or output yet.
    """

    check: Callable[[Mapping[str, str]], None]
    make: Callable[[str, Mapping[str, str], Clock, Source], Device]


KINDS: Final[Mapping[str, Kind]] = {"file": Kind(check_file, make_file)}
