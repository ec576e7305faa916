"""Every row of the URI tables, and what holds for all URIs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from neuro_client import uris
from neuro_client.models import Scope
from neuro_client.uris import child, file_path, file_uri, normalize, storage_path, uri_from_text

NO_ORG = Scope("alpha", None, "ada")
ACME = Scope("alpha", "acme", "ada")

# public-api.md §14.2: input, without organisation, with the organisation `acme`.
EXPANDED = [
    ("storage:", "storage://alpha/ada", "storage://alpha/acme/ada"),
    ("storage://", "storage://alpha/ada", "storage://alpha/acme/ada"),
    ("storage:d/x.bin", "storage://alpha/ada/d/x.bin", "storage://alpha/acme/ada/d/x.bin"),
    ("storage:d/", "storage://alpha/ada/d/", "storage://alpha/acme/ada/d/"),
    ("storage:/bob/x", "storage://alpha/bob/x", "storage://alpha/acme/bob/x"),
    ("storage:///bob/x", "storage://alpha/bob/x", "storage://alpha/acme/bob/x"),
    ("storage://beta/bob/x", "storage://beta/bob/x", "storage://beta/bob/x"),
    ("storage://beta", "storage://beta", "storage://beta"),
    ("storage:a/../b", "storage://alpha/ada/b", "storage://alpha/acme/ada/b"),
    ("storage:7", "storage://alpha/ada/7", "storage://alpha/acme/ada/7"),
    ("storage:a b", "storage://alpha/ada/a%20b", "storage://alpha/acme/ada/a%20b"),
    ("storage:a%20b", "storage://alpha/ada/a%20b", "storage://alpha/acme/ada/a%20b"),
    ("storage:a%23b", "storage://alpha/ada/a%23b", "storage://alpha/acme/ada/a%23b"),
    ("storage:a%25b", "storage://alpha/ada/a%25b", "storage://alpha/acme/ada/a%25b"),
    ("storage:./~x", "storage://alpha/ada/~x", "storage://alpha/acme/ada/~x"),
    ("blob:bkt/k/y", "blob://alpha/ada/bkt/k/y", "blob://alpha/acme/ada/bkt/k/y"),
    ("disk:/bob/d", "disk://alpha/bob/d", "disk://alpha/acme/bob/d"),
    ("secret:tok", "secret://alpha/ada/tok", "secret://alpha/acme/ada/tok"),
    ("job:job-1", "job://alpha/ada/job-1", "job://alpha/acme/ada/job-1"),
    ("flow:f", "flow://alpha/ada/f", "flow://alpha/acme/ada/f"),
    ("hdfs://h/x", "hdfs://h/x", "hdfs://h/x"),
]


@pytest.mark.parametrize(("text", "plain", "with_org"), EXPANDED)
def test_expanded(text: str, plain: str, with_org: str) -> None:
    assert str(uri_from_text(text, NO_ORG)) == plain
    assert str(uri_from_text(text, ACME)) == with_org


@pytest.mark.parametrize(("text", "plain", "with_org"), EXPANDED)
def test_normalize_does_the_same(text: str, plain: str, with_org: str) -> None:
    assert str(normalize(URL(text), NO_ORG)) == plain
    assert str(normalize(URL(text), ACME)) == with_org


@pytest.mark.parametrize(
    ("scope", "long", "short"),
    [
        (NO_ORG, "storage://alpha/ada/d", "storage:d"),
        (NO_ORG, "storage://alpha/ada", "storage:"),
        (NO_ORG, "storage://alpha/ada/d/", "storage:d"),
        (NO_ORG, "storage://alpha/ada/~x", "storage:./~x"),
        (NO_ORG, "storage://alpha/adam/d", "storage://alpha/adam/d"),
        (NO_ORG, "storage://alpha/bob/x", "storage://alpha/bob/x"),
        (NO_ORG, "storage://alpha/bob/x/", "storage://alpha/bob/x"),
        (NO_ORG, "storage://alpha/acme/ada/d", "storage://alpha/acme/ada/d"),
        (NO_ORG, "storage://beta/ada/d", "storage://beta/ada/d"),
        (ACME, "storage://alpha/acme/ada/d", "storage:d"),
        (ACME, "storage://alpha/ada/d", "storage://alpha/ada/d"),
    ],
)
def test_short(scope: Scope, long: str, short: str) -> None:
    assert str(normalize(URL(long), scope, short=True)) == short
    assert str(uri_from_text(long, scope, short=True)) == short


# public-api.md §14.3
REJECTED = [
    ("storage:x#y", "%23"),
    ("storage:x#", "%23"),
    ("storage:x?y", "%3F"),
    ("storage:x?", "%3F"),
    ("storage://u@beta/x", "user"),
    ("storage://u:p@beta/x", "user"),
    ("storage://beta:80/x", "port"),
    ("http://h/x", "port"),
    ("storage:~/x", "tilde"),
    ("storage:/~bob", "tilde"),
    ("storage://~c/x", "tilde"),
    ("hdfs:x", "unknown scheme"),
    ("C:/x", "no scheme"),
    ("abc:12", "unknown scheme"),
    ("", "no scheme"),
    ("x.txt", "no scheme"),
    ("/abs/y", "no scheme"),
    ("~/z", "no scheme"),
    ("12", "no scheme"),
    ("file://host/x", "host"),
    ("file:~/x", "tilde"),
    ("file:x?y", "%3F"),
]


@pytest.mark.parametrize(("text", "why"), REJECTED)
def test_rejected(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        uri_from_text(text, NO_ORG)
    assert ":p@" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "why"),
    [("storage:x#y", "fragment"), ("storage:x?y", "query"), ("file:///x", "unknown"), ("x", "no")],
)
def test_rejected_as_url(uri: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        normalize(URL(uri), NO_ORG)


def test_a_scheme_that_is_not_allowed() -> None:
    with pytest.raises(ValueError, match="file: or storage:"):
        uri_from_text("blob:q", NO_ORG, allowed_schemes=("file", "storage"))
    with pytest.raises(ValueError, match="expected storage:"):
        normalize(URL("blob:q"), NO_ORG, allowed_schemes=["storage"])


# public-api.md §14.4
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x.txt", "file://{cwd}/x.txt"),
        ("./x.txt", "file://{cwd}/x.txt"),
        ("file:x.txt", "file://{cwd}/x.txt"),
        ("/abs/y", "file:///abs/y"),
        ("~/z", "file://{home}/z"),
        ("12", "file://{cwd}/12"),
        ("..", "file://{cwd}/.."),
        ("a b#c", "file://{cwd}/a%20b%23c"),
        ("C:/x", "file://{cwd}/C:/x"),
        ("file:/etc/h", "file:///etc/h"),
        ("file:///etc/h", "file:///etc/h"),
    ],
)
def test_local(text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    uri = uri_from_text(text, NO_ORG, allowed_schemes=("file", "storage"))
    assert str(uri) == expected.format(cwd=tmp_path, home=Path.home())


def test_a_user_nobody_knows() -> None:
    with pytest.raises(ValueError, match="no such user"):
        uri_from_text("~no-such-user-here/x", NO_ORG, allowed_schemes=("file",))


@pytest.mark.parametrize(
    ("uri", "path"),
    [("file:///etc/h", "/etc/h"), ("file:rel/x", "rel/x"), ("file:///a%23b%20c", "/a#b c")],
)
def test_file_path(uri: str, path: str) -> None:
    assert file_path(URL(uri)) == Path(path)


@pytest.mark.parametrize("uri", ["storage:x", "file://host/x", "http://h/x"])
def test_file_path_of_something_else(uri: str) -> None:
    with pytest.raises(ValueError):
        file_path(URL(uri))


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)
names = names.filter(lambda name: name not in (".", ".."))
scopes = st.sampled_from([NO_ORG, ACME])
schemes = st.sampled_from(uris.SCHEMES)


@given(st.lists(names, max_size=4), scopes, schemes)
def test_long_form_is_stable(parts: list[str], scope: Scope, scheme: str) -> None:
    uri = URL(f"{scheme}://beta/bob")
    for part in parts:
        uri = child(uri, part)
    assert normalize(uri, scope) == uri
    assert uri_from_text(str(uri), scope) == uri
    assert normalize(normalize(uri, scope), scope) == normalize(uri, scope)


@given(st.lists(names, min_size=1, max_size=4), scopes)
def test_shortened_leads_back(parts: list[str], scope: Scope) -> None:
    uri = normalize(URL("storage:"), scope)
    for part in parts:
        uri = child(uri, part)
    short = normalize(uri, scope, short=True)
    assert normalize(short, scope) == uri
    assert uri_from_text(str(short), scope) == uri


@given(names)
def test_a_child_keeps_its_name(name: str) -> None:
    for parent in ("storage://alpha/ada", "storage://alpha/ada/"):
        uri = child(URL(parent), name)
        assert storage_path(uri) == f"ada/{name}"
    expanded = normalize(child(URL("storage:"), name), NO_ORG)
    assert storage_path(expanded) == f"ada/{name}"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b"])
def test_no_child(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        child(URL("storage:"), name)


@given(st.lists(names, min_size=1, max_size=3))
def test_file_uris_lead_back(parts: list[str]) -> None:
    path = Path("/", *parts)
    assert file_path(file_uri(path)) == path


def test_undecodable_file_names_survive() -> None:
    path = Path("/data/\udcff.bin")
    assert str(file_uri(path)) == "file:///data/%FF.bin"
    assert file_path(file_uri(path)) == path
