"""What a shape promises as a set of facts, and the facts that one answer bears out.

A fact is a place in an answer: `.versions.*.destroyed`. An arm of a union is a place of its own
(`.expire_time=null`), and so is the absence of a field that may be left out.
"""

from typing import Any, Never, is_typeddict

from custody.plugin.shape import NULL, arms, members, within

Facts = frozenset[str]
ABSENT = " left out"
_PLAIN: dict[Any, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), bool: (bool,)}


class Unlike(Exception):
    """A value is not of the shape: where, and what is wrong."""


def promised(shape: Any, at: str = "") -> Facts:
    """Every fact that some answer must bear out."""
    kinds = arms(shape)
    if len(kinds) > 1:
        return frozenset().union(*(promised(one, f"{at}={_name(one)}") for one in kinds))
    found = {at}
    for name, one in members(shape).items():
        found |= promised(one.shape, f"{at}.{name}")
        if not one.always:
            found.add(f"{at}.{name}{ABSENT}")
    inner = within(shape)
    if inner not in {None, Never}:
        found |= promised(inner, f"{at}.*")
    return frozenset(found)


def borne_out(value: Any, shape: Any, at: str = "") -> Facts:
    """The facts that `value` bears out. Raises Unlike."""
    kinds = arms(shape)
    if len(kinds) > 1:
        return _one_of(value, kinds, at)
    if is_typeddict(shape):
        return _fields(value, shape, at)
    inner = within(shape)
    if inner is None:
        _check(value, shape, at)
        return frozenset({at})
    listed = value.values() if isinstance(value, dict) else value
    if not isinstance(value, getattr(shape, "__origin__", dict)):
        raise Unlike(f"{at} is {value!r}")
    if inner is Never and value:
        raise Unlike(f"{at} is not empty: {value!r}")
    return frozenset({at}).union(*(borne_out(one, inner, f"{at}.*") for one in listed))


def _one_of(value: Any, kinds: tuple[Any, ...], at: str) -> Facts:
    wrong = []
    for one in kinds:
        try:
            return borne_out(value, one, f"{at}={_name(one)}")
        except Unlike as unlike:
            wrong.append(str(unlike))
    raise Unlike("; ".join(wrong))


def _fields(value: Any, shape: Any, at: str) -> Facts:
    fields = members(shape)
    if not isinstance(value, dict):
        raise Unlike(f"{at} is no object: {value!r}")
    if unknown := value.keys() - fields.keys():
        raise Unlike(f"{at} has undocumented fields {sorted(unknown)}")
    found = {at}
    for name, one in fields.items():
        if name in value:
            found |= borne_out(value[name], one.shape, f"{at}.{name}")
        elif one.always:
            raise Unlike(f"{at}.{name} is missing")
        else:
            found.add(f"{at}.{name}{ABSENT}")
    return frozenset(found)


def _check(value: Any, shape: Any, at: str) -> None:
    if shape is Any:
        return
    if shape is NULL:
        fits = value is None
    else:
        fits = isinstance(value, _PLAIN[shape]) and isinstance(value, bool) is (shape is bool)
    if not fits:
        raise Unlike(f"{at} is {value!r} and no {_name(shape)}")


def _name(shape: Any) -> str:
    return "null" if shape is NULL else getattr(shape, "__name__", str(shape))
