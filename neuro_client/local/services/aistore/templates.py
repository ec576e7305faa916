"""Names of many objects in one text (aistore.md §11.2)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import attrs

from .errors import bad_request

MOST = 10_000_000
_RANGE = re.compile(r"\{([0-9]+)\.\.([0-9]+)(?:\.\.([0-9]+))?\}")
_AT = re.compile(r"([^@]*)@([0-9]+)(.*)", re.S)
_PERCENT = re.compile(r"([^%]*)%0([0-9]+)d(.*)", re.S)


@attrs.frozen
class Template:
    """Hold a text as the names it makes, or as a prefix when it has no range."""

    prefix: str | None
    _between: Sequence[str] = ()
    _ranges: Sequence[tuple[range, int]] = ()

    def names(self) -> Iterator[str]:
        """Yield the names, the right-most range varies fastest."""
        widths = [width for _, width in self._ranges]
        for numbers in itertools.product(*(numbers for numbers, _ in self._ranges)):
            pieces = [self._between[0]]
            for number, width, text in zip(numbers, widths, self._between[1:], strict=True):
                pieces += [f"{number:0{width}d}", text]
            yield "".join(pieces)


def parse(text: str, *, strict: bool) -> Template:
    """Read a template; a malformed one is refused if ``strict``, else taken literally (§22.21)."""
    if "{" in text:
        return _braces(text, strict=strict)
    if match := _AT.fullmatch(text):
        last = int(match[2])
        return _checked(Template(None, [match[1], match[3]], [(range(last + 1), len(match[2]))]))
    if _PERCENT.fullmatch(text):
        # Without an end it means all names of that form; they begin with the text before it.
        return Template(text.partition("%")[0])
    return Template("" if text == "*" else text)


def matches_form(text: str) -> re.Pattern[str] | None:
    """Return the form that names of a printf template have, None for another template."""
    if "{" in text or not (match := _PERCENT.fullmatch(text)):
        return None
    width = int(match[2])
    return re.compile(f"{re.escape(match[1])}[0-9]{{{width},}}{re.escape(match[3])}")


def _braces(text: str, *, strict: bool) -> Template:
    between, ranges, position = [], [], 0
    for match in _RANGE.finditer(text):
        between.append(text[position : match.start()])
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if last < first or step < 1:
            return _malformed(text, strict=strict)
        ranges.append((range(first, last + 1, step), min(len(match[1]), len(match[2]))))
        position = match.end()
    between.append(text[position:])
    if not ranges or any("{" in part or "}" in part for part in between):
        return _malformed(text, strict=strict)
    return _checked(Template(None, between, ranges))


def _checked(template: Template) -> Template:
    count = 1
    for numbers, _ in template._ranges:
        count *= len(numbers)
    if count > MOST:
        raise bad_request(f"the template makes more than {MOST} names", "errTemplateInvalid")
    return template


def _malformed(text: str, *, strict: bool) -> Template:
    if strict:
        raise bad_request(f'invalid template "{text}"', "errTemplateInvalid")
    return Template(text)
