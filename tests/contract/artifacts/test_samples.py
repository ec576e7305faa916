"""Every sample names its facts and has the form that its two readers expect."""

from __future__ import annotations

import pytest

from ..golden import Sample
from ..test_samples import KEYS, REQUEST_KEYS, RESPONSE_KEYS, SOURCE
from .exchanges import FIXED, samples

LINKS = {"grid", "link", "expired_link", "gone_link", "upload", "part"}

pytestmark = pytest.mark.contract


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.call)
def test_a_sample_is_well_formed(sample: Sample) -> None:
    document = sample.document
    assert SOURCE.fullmatch(document["source"]), "name the fact section in `source`"
    assert document.keys() <= KEYS
    assert document["request"].keys() <= REQUEST_KEYS
    assert document["response"].keys() <= RESPONSE_KEYS
    assert {"method", "path"} <= document["request"].keys() and document["response"]["status"]
    root = document["request"]["path"].partition("{")[2].partition("}")[0]
    assert root in LINKS and not LINKS & FIXED.keys()
