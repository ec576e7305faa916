"""What a dSort is asked for and tells, in the words of old and new servers (aistore.md §13)."""

from __future__ import annotations

from typing import Any

import pytest

from neuro_client.aistore.dsort.records import DsortJobInfo, read_info, result_of
from neuro_client.aistore.dsort.spec import in_words_of
from neuro_client.errors import NotSupportedError, ProtocolError

TODAY = {
    "input_bck": {"name": "b"},
    "input_extension": ".tar",
    "input_format": {"template": "s{0..9}"},
    "ekm_file": "http://x",
    "ekm_file_sep": ",",
    "algorithm": {"kind": "content", "content_key_type": "int"},
}
OLD = {
    "bck": {"name": "b"},
    "extension": ".tar",
    "input_format": "s{0..9}",
    "order_file": "http://x",
    "order_file_sep": ",",
    "algorithm": {"kind": "content", "format_type": "int"},
}


@pytest.mark.parametrize("spec", [TODAY, OLD])
def test_every_server_finds_its_own_words(spec: dict[str, Any]) -> None:
    before = str(spec)
    for version, words in (((3, 18), OLD), ((5, 0), TODAY)):
        said = in_words_of(spec, version)
        assert {**said, "algorithm": {}} == {**said, **words, "algorithm": {}}
        assert said["algorithm"] == {**OLD["algorithm"], **TODAY["algorithm"]}  # type: ignore[dict-item]
    for unknown in (None, (3, 25)):
        assert in_words_of(spec, unknown)["input_format"] == spec["input_format"]
    assert str(spec) == before


def test_old_servers_take_no_lists_of_shards() -> None:
    names = {"input_format": {"objnames": ["a.tar"]}}
    with pytest.raises(NotSupportedError, match=r"3\.18"):
        in_words_of(names, (3, 18))
    assert in_words_of(names, (5, 0)) == names


def test_all_forms_of_answers_are_read() -> None:
    done = {"shard_creation": {"finished": True, "created_count": "2"}, "errors": None}
    today, old = read_info({"id": "srt-1", "Metrics": done}), read_info(done)
    assert today.metrics == old.metrics and old.metrics.shard_creation.created_count == 2
    assert read_info({"id": "srt-1", "Metrics": None}) == DsortJobInfo("srt-1")
    assert read_info({"id": "srt-1"}) == DsortJobInfo("srt-1")
    wrongs: list[Any] = [[], {"Metrics": 3}, {"loc-objs": "x"}, {"started_time": "x"}]
    for wrong in wrongs:
        with pytest.raises(ProtocolError):
            read_info(wrong)


def test_results() -> None:
    done: dict[str, Any] = {"shard_creation": {"finished": True}}
    running: dict[str, Any] = {"shard_creation": {}}
    aborted = {"aborted": True, "errors": ["no space", "no space"]}

    def result(*told: dict[str, Any]) -> Any:
        return result_of({str(n): read_info({"Metrics": one}) for n, one in enumerate(told)})

    assert result(done, done) and result(done, running) is None
    assert (result(running, aborted).error, result(aborted).aborted) == ("no space", True)
    assert result({"aborted": True}).error == "the dSort was aborted"
    assert not result({**done, "errors": ["one shard"]})
