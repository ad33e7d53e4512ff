import pytest

from custody.base.errors import BadRequest
from custody.token import cidr


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.1.2.3/8"),
        ("127.0.0.1/32", "127.0.0.1"),
        (" 127.0.0.1 ", "127.0.0.1"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1/128", "::1"),
    ],
)
def test_a_network_is_kept_in_one_spelling(written: str, kept: str) -> None:
    assert cidr.clean([written, ""]) == (kept,)


@pytest.mark.parametrize("text", ["nonsense", "10.0.0.0/33", "1.2.3", "10.0.0.0/8/8", "é"])
def test_what_is_no_network_is_named(text: str) -> None:
    with pytest.raises(BadRequest, match=f'error parsing address "{text}"'):
        cidr.clean([text])


def test_no_more_networks_than_can_be_tried_at_each_request() -> None:
    cidr.clean(["10.0.0.1"] * cidr.MAX_NETWORKS)
    with pytest.raises(BadRequest, match="more than 64 networks"):
        cidr.clean(["10.0.0.1"] * (cidr.MAX_NETWORKS + 1))


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.255.0.1", True),
        ("::ffff:10.0.0.1", True),  # the same machine, by way of a socket for both
        ("11.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("::ffff:11.0.0.1", False),
        ("", False),
        ("unix", False),
    ],
)
def test_an_address_is_inside_or_refused(address: str, *, inside: bool) -> None:
    networks = ("10.0.0.0/8", "2001:db8::/32")
    if inside:
        cidr.check(networks, address)
        return
    with pytest.raises(cidr.OutsideNetwork) as caught:
        cidr.check(networks, address)
    assert caught.value.listed == ("permission denied",)
    assert caught.value.recorded == "permission denied: the token is bound to other networks"


def test_what_is_bound_to_no_address_is_refused_from_everywhere() -> None:
    for address in ("10.0.0.1", "::1", ""):
        with pytest.raises(cidr.OutsideNetwork):
            cidr.check(("",), address)
