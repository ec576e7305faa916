"""Lists, ranges and templates: what the client makes of them is what the servers do (§11)."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.aistore import AIStore, ObjectNames, ObjectRange, ObjectTemplate
from neuro_client.aistore.errors import InvalidObjectRangeIndex
from neuro_client.local.services.aistore import templates
from neuro_client.local.services.aistore.errors import AISError

BUCKET = AIStore("http://127.0.0.1:1").bucket("b1")

# Those of the facts, and the corners next to them.
EXPANDED = {
    "o{01..03}": ["o01", "o02", "o03"],
    "p{0..002}": ["p0", "p1", "p2"],
    "p@2": ["p0", "p1", "p2"],
    "p@002": ["p000", "p001", "p002"],
    "o{0..10..5}": ["o0", "o5", "o10"],
    "o{1..2}{0..1}": ["o10", "o11", "o20", "o21"],
    "{8..10}": ["8", "9", "10"],
    "{08..10}.x": ["08.x", "09.x", "10.x"],
    "{8..010}": ["8", "9", "10"],
    "a{3..3}b": ["a3b"],
    "a{1..6..2}b{12..14..2}c": ["a1b12c", "a1b14c", "a3b12c", "a3b14c", "a5b12c", "a5b14c"],
    "@0": ["0"],
    "d/@1.tar": ["d/0.tar", "d/1.tar"],
}
REFUSED = (
    "{a,b}",
    "o{a..c}",
    "o{3..1}",
    "o{1..3..0}",
    "{1..2",
    "1..2}{",
    "{{1..2}}",
    "{}",
    "{-1..2}",
)


@pytest.mark.parametrize("text", EXPANDED)
def test_a_template_is_expanded_as_the_servers_do(text: str) -> None:
    template = ObjectTemplate(text)
    assert list(template) == EXPANDED[text]
    assert str(template) == text
    assert template.get_value() == {"template": text}
    assert list(templates.parse(text, strict=True).names()) == EXPANDED[text]


@pytest.mark.parametrize("text", REFUSED)
def test_what_servers_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        ObjectTemplate(text)
    with pytest.raises(AISError):
        templates.parse(text, strict=True)


@pytest.mark.parametrize(
    "text", ["{0..9999999}{0..1}", "x@99999999999999999999999", "{0..10000000}"]
)
def test_more_names_than_servers_make_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="10,000,000"):
        ObjectTemplate(text)


@pytest.mark.parametrize("text", ["", "*", "some/prefix", "mail@home", "100%", "p%03d", "a%d", "}"])
def test_only_a_server_knows_what_has_a_prefix(text: str) -> None:
    template = ObjectTemplate(text)
    assert template.get_value() == {"template": text}
    with pytest.raises(RuntimeError, match="prefix"):
        list(template)
    assert template.parsed.prefix == templates.parse(text, strict=True).prefix
    assert template.parsed.is_form == (templates.matches_form(text) is not None)


def test_a_template_of_two_kinds_is_refused() -> None:
    with pytest.raises(ValueError, match="only one"):
        ObjectTemplate("%03d-@4")


numbers = st.integers(0, 120)
pieces = st.one_of(
    st.text("ab{}@%0.d*-", max_size=4),
    st.builds(
        "{{{:0{}d}..{:0{}d}}}".format, numbers, st.integers(1, 4), numbers, st.integers(1, 4)
    ),
    st.builds("{{{}..{}..{}}}".format, numbers, numbers, st.integers(0, 40)),
)


@given(st.lists(pieces, max_size=3).map("".join))
def test_client_and_server_agree_on_any_text(text: str) -> None:
    try:
        there: Any = templates.parse(text, strict=True)
    except AISError:
        there = None
    try:
        here = ObjectTemplate(text).parsed
    except ValueError as error:
        assert there is None or "only one of them" in str(error)
        return
    assert there is not None
    assert here.prefix == there.prefix
    if here.prefix is None:
        assert list(islice(here, 200)) == list(islice(there.names(), 200))


@pytest.mark.parametrize(
    ("arguments", "text", "names"),
    [
        (("o", 0, 2), "o{0..2..1}", ["o0", "o1", "o2"]),
        (("o", 8, 12, 3, 2, ".x"), "o{008..012..2}.x", ["o008.x", "o010.x", "o012.x"]),
        (("d/", 1, 10, 0, 4), "d/{1..10..4}", ["d/1", "d/5", "d/9"]),
        (("", 99, 101), "{99..101..1}", ["99", "100", "101"]),
    ],
)
def test_a_range_is_a_template(arguments: tuple[Any, ...], text: str, names: list[str]) -> None:
    found = ObjectRange(*arguments)
    assert (str(found), list(found)) == (text, names)
    assert found.get_value() == {"template": text}


@pytest.mark.parametrize(
    "options",
    [
        {"min_index": 0},
        {"max_index": 5},
        {"min_index": 5, "max_index": 5},
        {"min_index": 6, "max_index": 5},
        {"min_index": -1, "max_index": 5},
        {"min_index": 100, "max_index": 500, "pad_width": 2},
        {"min_index": 1, "max_index": 5, "step": 0},
    ],
)
def test_indices_that_make_no_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidObjectRangeIndex):
        ObjectRange("o", **options)


def test_a_range_without_indices_is_a_prefix() -> None:
    assert ObjectRange("data/").get_value() == {"template": "data/"}
    wrongs: list[dict[str, Any]] = [
        {"prefix": "o", "suffix": ".x"},
        {"prefix": "o@3"},
        {"prefix": "o%02d"},
    ]
    for wrong in wrongs:
        with pytest.raises(ValueError):
            ObjectRange(**wrong)
    with pytest.raises(RuntimeError):
        list(ObjectRange("data/"))


def test_a_list_is_sent_as_it_is_and_never_empty() -> None:
    assert ObjectNames(["a", "b"]).get_value() == {"objnames": ["a", "b"]}
    assert list(ObjectNames(("a", "a"))) == ["a", "a"]
    with pytest.raises(ValueError, match="whole bucket"):
        ObjectNames([]).get_value()
    with pytest.raises(ValueError, match="has a part"):
        ObjectNames(["a/../b"])
    with pytest.raises(TypeError, match="list"):
        ObjectNames("abc")


def test_a_group_has_just_one_selector() -> None:
    group = BUCKET.objects(obj_range=ObjectRange("o", 0, 2))
    assert group.list_names() == list(group) == ["o0", "o1", "o2"]
    urls = list(group.list_urls("o1"))
    assert urls == ["http://127.0.0.1:1/v1/objects/b1/o1?provider=ais"]
    assert BUCKET.objects([]).list_names() == []
    wrong: list[dict[str, Any]] = [{}, {"obj_names": ["a"], "obj_template": "b"}]
    for options in wrong:
        with pytest.raises(ValueError, match="one of"):
            BUCKET.objects(**options)
    with pytest.raises(TypeError, match="ObjectRange"):
        BUCKET.objects(obj_range="o{0..1}")  # type: ignore[arg-type]
