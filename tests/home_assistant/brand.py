"""Draw the brand images of the Home Assistant component: `.venv-ha/bin/python tests/home_assistant/brand.py`.

One drawing, written as SVG and as the PNG sizes that Home Assistant asks for (icon 256 and 512 pixels square; logo at
most 256 and 512 high; transparent, without a margin).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

BRAND = Path(__file__).parents[2] / "custom_components" / "hubsec" / "brand"
DEEP, SIGNAL, PALE = "#123c5a", "#f2a31b", "#ffffff"
LEFT = 9.0
"""What is empty beside the shield."""
STEPS = 48
"""Points of a curve."""
FINER = 8
"""Pixels drawn for each pixel kept, so that edges are smooth."""

type Point = tuple[float, float]


class Shape(NamedTuple):
    """A line through `points`, as wide as `width` and with round ends; filled where there is no width."""

    points: list[Point]
    color: str
    width: float = 0.0


def arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points of an ellipse's arc; degrees, counter-clockwise as seen, y grows downwards."""
    angles = (math.radians(start + (end - start) * i / STEPS) for i in range(STEPS + 1))
    return [(x + rx * math.cos(a), y - ry * math.sin(a)) for a in angles]


def bezier(a: Point, b: Point, c: Point, d: Point) -> list[Point]:
    """Points of a cubic curve."""
    return [
        tuple(
            (1 - t) ** 3 * p + 3 * (1 - t) ** 2 * t * q + 3 * (1 - t) * t**2 * r + t**3 * s
            for p, q, r, s in zip(a, b, c, d, strict=True)
        )  # type: ignore[misc]
        for t in (i / STEPS for i in range(STEPS + 1))
    ]


def icon() -> list[Shape]:
    """A shield with a hub in it, one of whose neighbours is let in. 100 x 100."""
    right = [*bezier((50, 0), (62, 9), (76, 13), (91, 14)), *bezier((91, 14), (93, 55), (78, 84), (50, 100))]
    shield = [*right, *((100 - x, y) for x, y in reversed(right))]
    hub = (50.0, 47.0)
    nodes = [(50.0, 20.0), (26.5, 60.5), (73.5, 60.5)]
    shapes = [Shape(shield, DEEP)]
    shapes += [Shape([hub, node], SIGNAL if i == 0 else PALE, 4.5) for i, node in enumerate(nodes)]
    shapes += [Shape(arc(*node, 7, 7, 0, 360), SIGNAL if i == 0 else PALE) for i, node in enumerate(nodes)]
    keyhole = [(47.6, 48.0), (45.6, 56.0), (54.4, 56.0), (52.4, 48.0)]
    return [
        *shapes,
        Shape(arc(*hub, 16, 16, 0, 360), PALE),
        Shape(arc(50, 44.5, 4.6, 4.6, 0, 360), DEEP),
        Shape(keyhole, DEEP),
    ]


def letters() -> list[list[list[Point]]]:
    """The strokes of h, u, b, s, e, c; small letters are 1 high, the line is at 0, and up is negative."""
    return [
        [[(0, -1.6), (0, 0)], [*arc(0.4, -0.6, 0.4, 0.4, 180, 0), (0.8, 0)]],
        [[(0, -1), *arc(0.4, -0.4, 0.4, 0.4, 180, 360), (0.8, -1)], [(0.8, -1), (0.8, 0)]],
        [[(0, -1.6), (0, 0)], arc(0.44, -0.5, 0.44, 0.5, 0, 360)],
        [[*arc(0.33, -0.75, 0.33, 0.25, 35, 270), *arc(0.33, -0.25, 0.33, 0.25, 90, -145)]],
        [[(0.02, -0.5), (0.86, -0.5)], arc(0.44, -0.5, 0.44, 0.5, 0, 318)],
        [arc(0.44, -0.5, 0.44, 0.5, 48, 312)],
    ]


def logo() -> tuple[list[Shape], float]:
    """The icon, and the name beside it; with its width, at a height of 100."""
    size, thick, gap = 40.0, 9.0, 20.0
    shapes = [shape._replace(points=[(x - LEFT, y) for x, y in shape.points]) for shape in icon()]
    x = 108.0
    for strokes in letters():
        points = [[(x + px * size, 84 + py * size) for px, py in stroke] for stroke in strokes]
        shapes += [Shape(stroke, DEEP, thick) for stroke in points]
        x = max(px for stroke in points for px, _ in stroke) + gap
    return shapes, x - gap + thick / 2


def svg(shapes: list[Shape], width: float) -> str:
    """The drawing as SVG, 100 high."""
    lines = []
    for shape in shapes:
        points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
        if shape.width:
            stroke = f'fill="none" stroke="{shape.color}" stroke-width="{shape.width}"'
            lines.append(
                f'  <polyline {stroke} stroke-linecap="round" stroke-linejoin="round" points="{points}"/>'
            )
        else:
            lines.append(f'  <polygon fill="{shape.color}" points="{points}"/>')
    body = "\n".join(lines)
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} 100">\n{body}\n</svg>\n'


def png(shapes: list[Shape], width: float, height: int) -> Image.Image:
    """The drawing, `height` pixels high."""
    scale = height * FINER / 100
    size = (round(width * scale), height * FINER)
    # Behind what is drawn is its own colour, so that edges do not darken when pixels are averaged.
    picture = Image.new("RGBA", size, (*bytes.fromhex(DEEP[1:]), 0))
    pen = ImageDraw.Draw(picture)
    for shape in shapes:
        points = [(x * scale, y * scale) for x, y in shape.points]
        if shape.width:
            thick = shape.width * scale
            pen.line(points, fill=shape.color, width=round(thick))
            for x, y in points:
                pen.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), fill=shape.color)
        else:
            pen.polygon(points, fill=shape.color)
    return picture.resize((size[0] // FINER, height), Image.Resampling.BOX)


def drawings() -> dict[str, tuple[list[Shape], float, int]]:
    """What there is to draw: shapes, their width at a height of 100, and the height in pixels."""
    return {"icon": (icon(), 100.0, 256), "logo": (*logo(), 128)}


def main() -> None:
    """Write them all."""
    for name, (shapes, width, height) in drawings().items():
        (BRAND / f"{name}.svg").write_text(svg(shapes, width), encoding="utf-8")
        for suffix, factor in (("", 1), ("@2x", 2)):
            png(shapes, width, height * factor).save(BRAND / f"{name}{suffix}.png", optimize=True)


if __name__ == "__main__":
    main()
