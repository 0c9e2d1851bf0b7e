"""Figures inside the page: small SVG whose colours follow the reader's light or dark theme."""

import re

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.markers import MarkerStyle

from timelift.analyse.runs.measurement import Samples
from timelift.present.figures.looks import COLOURS, THEMES, LineStyle, line_style
from timelift.present.figures.plot_fastest import TINT, tint

_LIGHT = THEMES["light"]
#: What is drawn in a colour of the light theme takes its counterpart of the page's theme.
_THEMED = {
    _LIGHT.background: "var(--paper)",
    _LIGHT.text: "var(--ink)",
    _LIGHT.muted: "var(--muted)",
    _LIGHT.grid: "var(--grid)",
    "#000000": "var(--ink)",
    **{
        to_hex(tint(colour, _LIGHT)): f"color-mix(in srgb,{colour} {TINT:.0%},var(--paper))"
        for colour in COLOURS
    },
}
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_DROPPED = re.compile(
    r"<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>|<!--.*?-->", re.DOTALL
)
_EMPTY = re.compile(r"<defs>\s*</defs>")
_TAG = re.compile(r"<[^>]*>")
_NUMBER = re.compile(r"-?\d+\.\d{2,}")
_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_ID = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'href="#([^"]*)"|url\(#([^)]*)\)')
_NAMESPACE = re.compile(r' xmlns(:\w+)?="[^"]*"| version="1\.1"')
_BLANKS = re.compile(r">\s+<")
_FONT = re.compile(r"'DejaVu Sans'(, [^;\"]*)?")


def inline(svg: str, prefix: str) -> str:
    """Shrink a figure's SVG for the page; `prefix` keeps its ids apart from other figures'."""
    body = _EMPTY.sub("", _DROPPED.sub("", _HEAD.sub("", svg)))
    used = {one or other for one, other in _USED.findall(body)}
    names = {name: f"{prefix}{place}" for place, name in enumerate(sorted(used))}
    return _BLANKS.sub("><", _TAG.sub(lambda tag: _small(tag[0], names), body)).strip()


def _small(tag: str, names: dict[str, str]) -> str:
    """Rewrite one tag: rounded numbers, themed colours, only the ids that something uses."""
    tag = _NAMESPACE.sub("", tag) if tag.startswith("<svg") else tag
    tag = _NUMBER.sub(_rounded, tag)
    tag = _COLOUR.sub(lambda found: _THEMED.get(found[0], found[0]), tag)
    tag = _ID.sub(lambda found: f' id="{names[found[1]]}"' if found[1] in names else "", tag)
    tag = _USED.sub(lambda found: _renamed(found, names), tag).replace("xlink:href", "href")
    return _FONT.sub("var(--figure-font)", re.sub(r"\s*\n\s*", " ", tag))


def _rounded(found: re.Match[str]) -> str:
    return f"{float(found[0]):.1f}".removesuffix(".0")


def _renamed(found: re.Match[str], names: dict[str, str]) -> str:
    name = names[found[1] or found[2]]
    return f'href="#{name}"' if found[1] else f"url(#{name})"


def sample(strategy: str) -> str:
    """Draw a strategy's line and marker as a figure's legend does, for the text around it."""
    drawn = line_style(strategy)
    dash = drawn.dash[1]
    dashes = f' stroke-dasharray="{" ".join(f"{1.6 * one:g}" for one in dash)}"' if dash else ""
    line = f'<path d="M0 6H34" stroke="{drawn.colour}" stroke-width="1.8" fill="none"{dashes}/>'
    mark = f'<path d="{_marker(drawn)}" fill="{drawn.colour}"/>'
    return f'<svg class="key" viewBox="0 0 34 12" aria-hidden="true">{line}{mark}</svg>'


def _marker(drawn: LineStyle) -> str:
    marker = MarkerStyle(drawn.marker)
    path = marker.get_path().transformed(marker.get_transform())
    outlines = (np.asarray(outline) for outline in path.to_polygons(closed_only=False))
    return "".join(f"M{_points(outline)}Z" for outline in outlines)


def _points(outline: Samples) -> str:
    return "L".join(f"{17 + 9 * x:.1f} {6 - 9 * y:.1f}" for x, y in outline)
