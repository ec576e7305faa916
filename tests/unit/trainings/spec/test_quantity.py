"""Quantities: the grammar, exact values, and how numbers are written (§5.6)."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuro_client.trainings.spec import Compute, Quantity, Rule, TrainingSpec

SUFFIXES = {
    "": Fraction(1),
    "n": Fraction(1, 1_000_000_000),
    "u": Fraction(1, 1_000_000),
    "m": Fraction(1, 1_000),
    "k": Fraction(1_000),
    "M": Fraction(1_000_000),
    "G": Fraction(1_000_000_000),
    "T": Fraction(1_000_000_000_000),
    "P": Fraction(1_000_000_000_000_000),
    "E": Fraction(1_000_000_000_000_000_000),
    "Ki": Fraction(2**10),
    "Mi": Fraction(2**20),
    "Gi": Fraction(2**30),
    "Ti": Fraction(2**40),
    "Pi": Fraction(2**50),
    "Ei": Fraction(2**60),
}
NUMBERS = st.from_regex(r"\+?([0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9})", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20M", 20_000_000),
        ("500m", Fraction(1, 2)),
        ("8Gi", 8 * 2**30),
        ("0.1", Fraction(1, 10)),
        ("1.5Gi", 3 * 2**29),
        ("+1", 1),
        (".5", Fraction(1, 2)),
        ("5.", 5),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("1E-3", Fraction(1, 1000)),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("0", 0),
        ("007", 7),
    ],
)
def test_values(text: str, value: Fraction) -> None:
    assert Quantity(text).value == value
    assert str(Quantity(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "1.2.3", "-1", "1 G", "1G ", "1\n", "1_000", "0x10", "nan", "inf", "١"),
        *("1K", "1ki", "1mi", "8Gj", "Gi", "m", "1e", "1E+", "1ee3", "1e3k", "1e3.5", "1e1000"),
    ],
)
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="Not a quantity"):
        Quantity(text)
    [found] = TrainingSpec(compute=Compute(cpu_memory_request=text)).violations()
    assert (found.path, found.rule) == ("spec.compute.cpuMemoryRequest", Rule.PATTERN)


def test_a_very_long_number_is_refused_not_computed() -> None:
    with pytest.raises(ValueError, match="Not a quantity"):
        Quantity("1" * 10_000)


@pytest.mark.parametrize("value", [True, None, [], b"1", Fraction(1)])
def test_only_texts_and_numbers_are_quantities(value: Any) -> None:
    with pytest.raises(ValueError, match="text or a number"):
        Quantity.of(value)


@given(NUMBERS, st.sampled_from(sorted(SUFFIXES)))
def test_the_value_is_exact(number: str, suffix: str) -> None:
    quantity = Quantity(number + suffix)
    assert quantity.value == Fraction(number) * SUFFIXES[suffix]
    assert str(quantity) == number + suffix
    assert quantity == Quantity.of(str(quantity))


@given(NUMBERS, st.integers(-99, 99))
def test_exponents(number: str, exponent: int) -> None:
    for letter in "eE":
        assert Quantity(f"{number}{letter}{exponent}").value == Fraction(number) * (
            Fraction(10) ** exponent
        )


@given(*[st.tuples(NUMBERS, st.sampled_from(sorted(SUFFIXES)))] * 2)
def test_order_and_equality_are_those_of_the_values(
    left: tuple[str, str], right: tuple[str, str]
) -> None:
    a, b = Quantity("".join(left)), Quantity("".join(right))
    assert (a < b) == (a.value < b.value)
    assert (a <= b) == (a.value <= b.value)
    assert (a == b) == (a.value == b.value)
    assert a != b or hash(a) == hash(b)
    assert (a > b.value) == (a.value > b.value)


def test_comparison_with_other_things() -> None:
    assert Quantity("1k") == 1000
    assert Quantity("1k") == 1000.0
    assert Quantity("1k") > Fraction(1999, 2)
    assert hash(Quantity("1k")) == hash(1000)
    assert Quantity("1k") != "1k"
    assert {Quantity("1Ki"), Quantity("1024")} == {Quantity("1.0Ki")}
    with pytest.raises(TypeError):
        assert Quantity("1k") < "2k"  # type: ignore[operator]


@given(st.floats(0, 2**53, allow_subnormal=False))
def test_a_float_is_the_decimal_number_that_it_prints_as(value: float) -> None:
    assert Quantity.of(value).number() == value
    assert Quantity.of(value).value == Fraction(Decimal(repr(value)))


def test_numbers_of_json() -> None:
    assert repr(Quantity("2k").number()) == "2000"
    assert repr(Quantity("100m").number()) == "0.1"
    with pytest.raises(ValueError, match="more digits"):
        Quantity("0.12345678901234567890123").number()


def test_portions_and_cores_take_texts_and_are_sent_as_numbers() -> None:
    compute = Compute(
        gpu_devices_request=1,
        gpu_request_type="portion",
        gpu_portion_request="100m",
        gpu_portion_limit=Decimal("0.3"),
        cpu_core_request=Quantity("1500m"),
        cpu_core_limit=2,
    )
    assert compute.to_dict() == {
        "gpuDevicesRequest": 1,
        "gpuRequestType": "portion",
        "gpuPortionRequest": 0.1,
        "gpuPortionLimit": 0.3,
        "cpuCoreRequest": 1.5,
        "cpuCoreLimit": 2,
    }
    assert TrainingSpec(compute=compute).violations() == ()


@pytest.mark.parametrize("text", ["half", "0.12345678901234567890123"])
def test_a_text_that_is_no_number_is_a_violation(text: str) -> None:
    [found] = TrainingSpec(compute=Compute(cpu_core_request=text)).violations()
    assert (found.path, found.rule) == ("spec.compute.cpuCoreRequest", Rule.TYPE)


def test_portions_compare_as_they_are_written() -> None:
    """Three tenths are three tenths, whatever a float makes of them."""
    portions = {"gpuRequestType": "portion", "gpuPortionRequest": 0.3, "gpuPortionLimit": 0.3}
    assert TrainingSpec.from_dict({"compute": portions}).violations() == ()
    portions["gpuPortionRequest"] = 0.1 + 0.2  # prints as 0.30000000000000004
    [found] = TrainingSpec.from_dict({"compute": portions}).violations()
    assert found.rule is Rule.LIMIT_BELOW_REQUEST


@given(*[st.tuples(NUMBERS, st.sampled_from(sorted(SUFFIXES)))] * 2)
def test_memory_limits_are_compared_exactly(left: tuple[str, str], right: tuple[str, str]) -> None:
    request, limit = "".join(left), "".join(right)
    spec = TrainingSpec(compute=Compute(cpu_memory_request=request, cpu_memory_limit=limit))
    rules = [violation.rule for violation in spec.violations()]
    below = Quantity(limit) < Quantity(request)
    assert rules == ([Rule.LIMIT_BELOW_REQUEST] if below else [])
