"""Bars of ratios as an SVG file, readable on a light and on a dark page."""

import html

# Neutral greys for text and lines; two colours that are told apart on both backgrounds and by colour-blind people.
TEXT, FASTER, SLOWER = "#808890", "#2f8fd0", "#d9822b"
ROW, LABEL_WIDTH, BAR_WIDTH, MARGIN, TITLE_HEIGHT = 15, 190, 300, 12, 34
COLUMNS = 2


def escape(text):
    return html.escape(str(text))


def text(x, y, content, size=11, anchor="start", weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" font-weight="{weight}">{escape(content)}</text>'


def panel(title, rows, x, y, most):
    """One group of bars at (x, y); a line marks the ratio 1."""
    parts = [text(x, y + 12, title, 12, weight="bold")]
    left, top = x + LABEL_WIDTH, y + 22
    scale = (BAR_WIDTH - 44) / most
    for i, (name, value) in enumerate(rows):
        at = top + i * ROW
        parts.append(text(left - 6, at + 10.5, name[:30], 10, "end"))
        if value is None:
            parts.append(text(left + 4, at + 10.5, "not measured", 10))
            continue
        width = min(value, most) * scale
        colour = FASTER if value >= 1 else SLOWER
        parts.append(f'<rect x="{left}" y="{at + 2}" width="{width:.1f}" height="{ROW - 4}" rx="1.5" fill="{colour}"/>')
        parts.append(text(left + width + 4, at + 10.5, f"{value:.2f}" + (" →" if value > most else ""), 10))
    one = left + scale
    parts.append(f'<line x1="{one:.1f}" y1="{top - 3}" x2="{one:.1f}" y2="{top + len(rows) * ROW + 2}" stroke="{TEXT}" stroke-dasharray="3 2"/>')
    return parts, 22 + len(rows) * ROW + 16


def scale_end(groups):
    """Where bars end: the largest ratio, but not so large that all others are stubs."""
    values = sorted(value for rows in groups.values() for _, value in rows if value)
    return max(2.0, min(values[-1], 2.5 * values[len(values) * 3 // 4])) if values else 2.0


def bars(groups, title):
    """`groups`: {title: [(name, ratio or None)]}, laid out in columns."""
    most = scale_end(groups)
    parts, heights = [], [TITLE_HEIGHT] * COLUMNS
    for i, (name, rows) in enumerate(groups.items()):
        column = i % COLUMNS
        made, height = panel(name, rows, MARGIN + column * (LABEL_WIDTH + BAR_WIDTH), heights[column], most)
        parts += made
        heights[column] += height
    width, height = 2 * MARGIN + COLUMNS * (LABEL_WIDTH + BAR_WIDTH), max(heights) + MARGIN
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="system-ui, sans-serif" fill="{TEXT}">',
        text(MARGIN, 20, title, 14, weight="bold"),
        text(width - MARGIN, 20, "dashed: 1, as fast as the faster peer", 10, "end"),
    ]
    return "\n".join(head + parts + ["</svg>", ""])
