"""The configuration as it is shown: no key of a seal, no option of a device."""

from custody.serve.sanitized import sanitized
from custody.serve.settings import AuditDevice, Listener, SealStanza, Settings


def test_no_option_that_may_hold_a_secret_is_shown() -> None:
    shown = sanitized(
        Settings(
            data_path="/data",
            listeners=[Listener(host="127.0.0.1", port=8200)],
            audit=[AuditDevice(kind="file", path="f/", options={"x": "planted"})],
            seals=[SealStanza(kind="static", options={"current_key": "planted"})],
        )
    )
    assert "planted" not in str(shown)
    assert shown["seals"] == [{"type": "static", "disabled": False}]
    assert shown["listeners"] == [
        {
            "type": "tcp",
            "config": {
                "address": "127.0.0.1:8200",
                "tls_disable": True,
                "tls_min_version": "",
                "max_request_size": 32 * 1024 * 1024,
            },
        }
    ]
