"""What a node of real processes answers has the fields that the tables name, and no others."""

import json

from tests.conformance.answering import ALL
from tests.harness import Client, Server

from custody.core.router import captures
from custody.plugin.route import Op
from custody.testing.server import Response

PLACES = {"system": "sys/", "token": "auth/token/", "kv": "secret/"}
LEFT_OUT = {
    "pprof/profile",
    "monitor",
    "storage/snapshot",
    "storage/raft/snapshot",
}  # slow, or no text
READ = [
    case
    for case in ALL
    if case.op is Op.READ
    and case.engine.kind in PLACES
    and not captures(case.route.pattern)
    and case.route.pattern not in LEFT_OUT
]


def test_reads_of_a_real_node_are_what_the_tables_say(node: Server) -> None:
    refused = set()
    with Client(node.port, node.token) as client:
        for case in READ:
            answer = client.call("GET", PLACES[case.engine.kind] + case.route.pattern)
            body = json.dumps(answer.body).encode()
            found = case.borne_out(Response(answer.status, answer.headers, body))
            if not found:
                refused.add(case.route.pattern)
    assert refused == {
        "rekey/verify", "rekey-recovery-key/init", "rekey-recovery-key/verify", "rekey/backup",
        "rekey/recovery-key-backup", "rotate/root/verify", "rotate/root/backup",
        "rotate/recovery/init", "rotate/recovery/verify", "rotate/recovery/backup",
        "leases", "leases/count", "wrapping/lookup",
    }  # fmt: skip
