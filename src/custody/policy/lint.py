"""What a policy says that its author most likely did not mean.

Warnings only: every text that is a policy stays one, as Vault's clients expect.
"""

from collections.abc import Callable, Iterator, Mapping

from custody.policy import capability
from custody.policy.document import Document, Rule, quoted

_KV2_SEGMENTS = frozenset(
    ("config", "data", "delete", "destroy", "detailed-metadata", "metadata", "subkeys", "undelete")
)
_EVERYWHERE = ("auth/", "sys/", "identity/", "cubbyhole/")


Sudo = Callable[[str, str], bool]  # whether a path wants `sudo` beside a capability


def lint(
    document: Document, mounts: Mapping[str, bool] | None = None, sudo: Sudo | None = None
) -> list[str]:
    """Warnings about `document`, each with its line and, where there is one, what to write.

    `mounts`, if known, are the paths of all mounts (with trailing slash) and whether each is a
    KV engine of version 2: then rules that reach no mount or miss its `data/` are told too. With
    `sudo` also those that grant what takes `sudo` as well, and do not grant that.
    """
    warnings = [
        f"path {quoted(rule.pattern)} on line {rule.line}: {text}"
        for rule in document.rules
        for text in (
            *_pattern(rule),
            *_grant(rule),
            *_parameters(rule),
            *_mount(rule, mounts),
            *_sudo(rule, sudo),
        )
    ]
    warnings += [f"{quoted(key)} on line {line} is given twice" for key, line in document.repeated]
    return [*warnings, *_repeated_paths(document)]


def _pattern(rule: Rule) -> Iterator[str]:
    if rule.templated:
        return
    pattern = rule.pattern
    if "*" in pattern[:-1]:
        segments = pattern.split("/")
        if "*" in segments[:-1]:
            better = "/".join("+" if s == "*" else s for s in segments[:-1])
            suggestion = f"{better}/{segments[-1]}"
        else:
            suggestion = pattern[: pattern.index("*") + 1]
        yield (
            'a "*" is a wildcard only at the end, here it is an ordinary character; '
            f"did you mean {quoted(suggestion)}?"
        )
    if any("+" in segment and segment != "+" for segment in pattern.split("/")):
        yield 'a "+" is a wildcard only as a whole segment, here it is an ordinary character'
    if pattern.startswith("v1/"):
        yield f"paths are written without /v1/; did you mean {quoted(pattern[3:])}?"


def _grant(rule: Rule) -> Iterator[str]:
    if not rule.capabilities:
        yield "it grants nothing"
    elif rule.capabilities == capability.SUDO:
        yield '"sudo" alone grants nothing: it adds to another capability'


def _sudo(rule: Rule, sudo: Sudo | None) -> Iterator[str]:
    """What is granted in vain without `sudo`, of a pattern that names one path or all below one."""
    bits = rule.capabilities
    if sudo is None or rule.templated or bits & (capability.SUDO | capability.DENY):
        return
    whole = rule.pattern.rstrip("*")
    # Any name will do for a wildcard: a route is the same for all of them.
    sample = "/".join("x" if segment == "+" else segment for segment in whole.split("/"))
    sample += "x" if whole != rule.pattern and whole.endswith("/") else ""
    wanting = [name for name, bit in capability.BITS.items() if bits & bit and sudo(sample, name)]
    if wanting:
        listed = ", ".join(map(quoted, wanting))
        yield f'{listed} alone is refused there: add "sudo"'


def _parameters(rule: Rule) -> Iterator[str]:
    for setting, parameters in (
        ("allowed_parameters", rule.allowed),
        ("denied_parameters", rule.denied),
    ):
        for name, values in (parameters or {}).items():
            if "*" in values:
                yield (
                    f'the value "*" of {quoted(name)} in {setting} stands for itself; '
                    "an empty list is any value"
                )
        if parameters and parameters.get("*"):
            yield f'the values of "*" in {setting} are not looked at'


def _mount(rule: Rule, mounts: Mapping[str, bool] | None) -> Iterator[str]:
    pattern = rule.pattern
    if mounts is None or rule.templated or pattern.startswith(("+", "*")):
        return
    mount = max((path for path in mounts if pattern.startswith(path)), key=len, default=None)
    if mount is None:
        plain = pattern.split("+", 1)[0].rstrip("*")
        known = (*mounts, *_EVERYWHERE)
        if not any(path.startswith(plain) or plain.startswith(path) for path in known):
            yield "no mount is there"
        return
    below = pattern[len(mount) :]
    first = below.split("/", 1)[0].rstrip("*")
    if mounts[mount] and first and first != "+" and first not in _KV2_SEGMENTS:
        yield (
            f"{quoted(mount)} is a KV engine of version 2, whose secrets lie below "
            f"{quoted(mount + 'data/')}; did you mean {quoted(mount + 'data/' + below)}?"
        )


def _repeated_paths(document: Document) -> Iterator[str]:
    first: dict[str, int] = {}
    for rule in document.rules:
        line = first.setdefault(rule.pattern, rule.line)
        if line != rule.line:
            yield (
                f"path {quoted(rule.pattern)} on line {rule.line} is already on line {line}: "
                "the two are merged"
            )
