"""Options as Go's flag package reads them, and what a mistake is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custody.cli.errors import UsageError
from custody.cli.flags import Flag, Kind, parse

FLAGS = (
    Flag("field", ""),
    Flag("namespace", "", alias="ns"),
    Flag("force", "", Kind.SWITCH),
    Flag("version", "", Kind.INTEGER),
    Flag("ttl", "", Kind.DURATION),
    Flag("policy", "", Kind.TEXTS),
    Flag("metadata", "", Kind.PAIRS),
)


@pytest.mark.parametrize(
    "words",
    [["-field=x"], ["--field=x"], ["-field", "x"], ["--field", "x"], ["-field=y", "-field=x"]],
)
def test_an_option_is_written_in_any_of_gos_ways(words: list[str]) -> None:
    options, arguments = parse(FLAGS, words)
    assert options.text("field") == "x"
    assert arguments == []


def test_options_are_understood_before_and_after_arguments() -> None:
    options, arguments = parse(FLAGS, ["-ns=a", "path", "-field", "x", "-", "k=-v"])
    assert (options.text("namespace"), options.text("field")) == ("a", "x")
    assert arguments == ["path", "-", "k=-v"]


def test_two_dashes_end_the_options() -> None:
    options, arguments = parse(FLAGS, ["-force", "--", "-field=x", "--"])
    assert options.switch("force")
    assert arguments == ["-field=x", "--"]


def test_a_switch_takes_no_following_word() -> None:
    options, arguments = parse(FLAGS, ["-force", "false"])
    assert options.switch("force")
    assert arguments == ["false"]
    assert not parse(FLAGS, ["-force=false"])[0].switch("force")


def test_repeated_options_are_collected() -> None:
    options, _ = parse(FLAGS, ["-policy=a,b", "-policy=c", "-metadata=k=v=w", "-metadata=l="])
    assert options.texts("policy") == ["a,b", "c"]
    assert options.listed("policy") == ["a", "b", "c"]
    assert options.pairs("metadata") == {"k": "v=w", "l": ""}


def test_an_option_not_given_has_nothing() -> None:
    options, _ = parse(FLAGS, [])
    assert options.integer("version") is None
    assert options.text("field", "default") == "default"
    assert not options.switch("force")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-nope=hunter2"], "flag provided but not defined: -nope"),
        (["-field"], "flag needs an argument: -field"),
        (["-version=two"], "-version: not a whole number"),
        (["-ttl=soon"], "-ttl: write a duration as"),
        (["-metadata=hunter2"], "-metadata: write it as key=value"),
        (["-force=perhaps"], "for -force: write true or false"),
    ],
)
def test_a_mistake_is_named_without_the_value(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(FLAGS, words)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_values_are_not_in_a_repr() -> None:
    assert "hunter2" not in repr(parse(FLAGS, ["-field=hunter2"])[0])


@given(st.lists(st.text(min_size=1).filter(lambda word: not word.startswith("-"))))
def test_words_without_a_dash_are_arguments_as_they_are(words: list[str]) -> None:
    assert parse(FLAGS, words)[1] == words
