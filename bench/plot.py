"""The plot of the README: CPU time per unit of work, as bars on a logarithmic scale, as SVG."""

from math import log10

from bench.figures import Line, Results, lines
from bench.proxies import LITELLM, NGINX, OURS

SHOWN = (
    ("small", "a request of 1 KB"),
    ("large", "a request of 200 KB"),
    ("burst", "a chunk, in bursts"),
    ("paced-100", "a chunk, paced"),
)
COLOURS = {NGINX: "#8b949e", OURS: "#2f81f7", LITELLM: "#d29922"}

LEFT, WIDTH, BAR, GAP, TOP = 150, 430, 13, 16, 44
LOWEST = -1
"""The scale begins at 10 to this power, in microseconds."""

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.s{font-size:11px}.t{font-weight:600}line{stroke:#8b949e55}"
    "@media(prefers-color-scheme:dark){text{fill:#9ea7b3}}"
)


def drawn(results: Results) -> str:
    """The SVG. Rows that were not measured are left out."""
    told = {line.figure.row: line for line in lines(results) if line.figure.value == "cpu_us"}
    groups = [(title, told[row]) for row, title in SHOWN if row in told]
    highest = max((value for _, line in groups for value in line.medians.values()), default=1.0)
    decades = max(int(log10(highest)) + 1 - LOWEST, 1)
    height = TOP + sum(len(_bars(line)) * (BAR + 2) + GAP for _, line in groups) + 24
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="640" height="{height}" viewBox="0 0 640 {height}" role="img">',
        f"<title>CPU time of one core</title><style>{STYLE}</style>",
        '<text class="t" x="0" y="14">CPU time of one core (logarithmic: each line is ten times the one before)</text>',
        *_scale(decades, height),
    ]
    y = TOP
    for title, line in groups:
        bars = _bars(line)
        parts.append(_text(LEFT - 10, y + len(bars) * (BAR + 2) / 2 + 4, title, "end"))
        for name, value in bars:
            length = max((log10(max(value, 10**LOWEST)) - LOWEST) / decades * WIDTH, 1)
            parts.append(
                f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{COLOURS[name]}"/>'
            )
            parts.append(_text(LEFT + length + 5, y + BAR - 2, f"{name} {_time(value)}", "start", "s"))
            y += BAR + 2
        y += GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bars(line: Line) -> list[tuple[str, float]]:
    return [(name, line.medians[name]) for name in COLOURS if name in line.medians]


def _scale(decades: int, height: int) -> list[str]:
    parts = []
    for decade in range(decades + 1):
        x = LEFT + decade / decades * WIDTH
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 8}" y2="{height - 20}"/>')
        parts.append(_text(x, height - 6, _time(10.0 ** (decade + LOWEST)), "middle", "s"))
    return parts


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _time(microseconds: float) -> str:
    """A time with two or three digits that count."""
    if microseconds >= 1000:
        return f"{microseconds / 1000:.3g} ms"
    return f"{microseconds:.3g} µs"
