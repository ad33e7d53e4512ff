"""`sys/policies/password`: policies for generated passwords, and passwords by them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.base.errors import BadRequest
from custody.base.ids import SystemSource
from custody.policy import password
from custody.policy.password import Charset, PasswordPolicy
from custody.testing.server import MemoryServer

POLICY = 'length = 20\nrule "charset" { charset = "abc" min-chars = 2 }\n'
PATH = "sys/policies/password"


async def test_a_policys_life() -> None:
    async with MemoryServer() as server:
        root = server.root_token
        await server.expect(404, "LIST", PATH, token=root)
        body = {"policy": POLICY}
        await server.expect(204, "POST", f"{PATH}/p", token=root, body=body)
        assert (await server.expect(200, "GET", f"{PATH}/p", token=root)).data == body
        assert (await server.expect(200, "LIST", PATH, token=root)).data == {"keys": ["p"]}
        made = await server.expect(200, "GET", f"{PATH}/p/generate", token=root)
        assert len(made.data["password"]) == 20
        assert set(made.data["password"]) <= set("abc")
        encoded = {"policy": base64.b64encode(POLICY.encode()).decode()}
        await server.expect(204, "POST", f"{PATH}/q", token=root, body=encoded)
        assert (await server.expect(200, "GET", f"{PATH}/q", token=root)).data == body
        page = await server.expect(200, "LIST", f"{PATH}?after=p&limit=1", token=root)
        assert page.data == {"keys": ["q"]}
        for name in ("p", "nope"):
            await server.expect(204, "DELETE", f"{PATH}/{name}", token=root)
        for path in (f"{PATH}/p", f"{PATH}/p/generate"):
            answer = await server.expect(404, "GET", path, token=root)
            assert answer.errors == ["1 error occurred:\n\t* policy does not exist\n\n"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing policy"),
        ('length = 3\nrule "charset" { charset = "abc" }', "between 4 and 100 characters"),
        ('length = 101\nrule "charset" { charset = "abc" }', "between 4 and 100 characters"),
        ('length = "x"\nrule "charset" { charset = "abc" }', "length is not a number"),
        ('rule "charset" { charset = "abc" }', "between 4 and 100 characters"),
        ("length = 20", "no charset specified"),
        ('length = 20\nrule "charset" { min-chars = 1 }', "no charset specified"),
        ('length = 20\nrule "charset" { charset = "abc" min-chars = 30 }',
         "specified rules require at least 30 characters but 20 is specified"),
        ('length = 20\nrule "bogus" { charset = "abc" }', "unrecognized rule type bogus"),
        ("bogus{", "unable to decode"),
        ('length = 20\nrule "charset" { charset = 1 }', "charset is not a string"),
        ('length = 20\nrule "charset" { charset = "a\\u0007" }', "cannot be printed"),
        ('length = 5\nrule = "charset"', "unrecognized rule type"),
    ],
)  # fmt: skip
async def test_what_is_no_policy_says_why(text: str, said: str) -> None:
    async with MemoryServer() as server:
        body = {"policy": text}
        answer = await server.expect(400, "POST", f"{PATH}/p", token=server.root_token, body=body)
        assert said in answer.errors[0]


@given(
    st.lists(
        st.builds(Charset, st.text("abcdefgh", min_size=1, max_size=8), st.integers(0, 3)),
        min_size=1,
        max_size=3,
    )
)
def test_a_password_fulfils_every_rule_and_has_no_other_characters(rules: list[Charset]) -> None:
    policy = PasswordPolicy(20, tuple(rules))
    made = password.generate(policy, SystemSource())
    assert len(made) == 20
    assert set(made) <= set(policy.characters)
    for rule in rules:
        assert sum(character in rule.characters for character in made) >= rule.least


def test_each_character_is_as_likely_as_any_other() -> None:
    policy = PasswordPolicy(100, (Charset("abc", 0),))
    text = "".join(password.generate(policy, SystemSource()) for _ in range(300))
    assert all(9_300 < text.count(character) < 10_700 for character in "abc")


def test_rules_that_chance_hardly_fulfils_end() -> None:
    characters = "".join(chr(code) for code in range(0x100, 0x1FF))
    policy = PasswordPolicy(100, (Charset(characters, 0), Charset("a", 99)))
    with pytest.raises(BadRequest, match="hardly"):
        password.generate(policy, SystemSource())


def test_the_default_has_every_kind_of_character() -> None:
    made = password.generate(password.DEFAULT, SystemSource())
    assert len(made) == 20
    assert "-" in made
