"""Every text colour of the page can be read on every ground that it stands on, light and dark."""

import re
from itertools import product
from pathlib import Path

import pytest

import reports

LEGIBLE = 4.5
"""WCAG 2.2, success criterion 1.4.3 (AA), for text of normal size."""

LANES = ("workload", "replication", "store", "faults", "detection", "failover", "boot")
VERDICTS = ("held", "violated", "unclear", "none")
PAIRS = [
    *product(("ink", "soft", "link", *VERDICTS, *LANES), ("card", "paper", "sunk")),
    *product(("ink", "soft"), (f"{verdict}-wash" for verdict in VERDICTS)),
    *((verdict, f"{verdict}-wash") for verdict in VERDICTS),
    *(("on-mark", lane) for lane in LANES),
    *(("on-mark", verdict) for verdict in VERDICTS),
]


def palettes() -> dict[str, dict[str, str]]:
    css = (Path(reports.__file__).parent / "templates/page.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[:2]
    colours = r"--([a-z-]+): #([0-9a-f]{3,6});"
    named = dict(re.findall(colours, light))
    return {"light": named, "dark": named | dict(re.findall(colours, dark))}


def luminance(colour: str) -> float:
    if len(colour) == 3:
        colour = "".join(digit * 2 for digit in colour)
    shares = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible(scheme: str) -> None:
    palette = palettes()[scheme]
    faint = {}
    for text, ground in PAIRS:
        one, other = sorted((luminance(palette[text]), luminance(palette[ground])))
        contrast = (other + 0.05) / (one + 0.05)
        if contrast < LEGIBLE:
            faint[f"{text} on {ground}"] = round(contrast, 2)
    assert faint == {}


def test_the_measure_knows_black_and_white() -> None:
    assert luminance("000") == 0
    assert luminance("ffffff") == pytest.approx(1)
