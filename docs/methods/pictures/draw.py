"""The small pictures of the methods' data flow: ``python docs/methods/pictures/draw.py`` writes one SVG for each.

A picture is a grid of boxes, from left to right. Grey: data. Blue: weights that are trained. Orange: terms of the loss.
Green: weights, or figures, that are fixed while the step is taken.
"""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT, ACROSS, DOWN, EDGE = 150, 44, 44, 16, 4
FILLS = {"data": "#eceff1", "net": "#bbdefb", "loss": "#ffe0b2", "fixed": "#c8e6c9"}

# Method, or page: lines of "name column row kind: text", with / for a new line, and then of arrows "from > to".
PICTURES = {
    "sasrec": """
        row 0 0 data: a user's row/of items
        encoder 1 0 net: encoder
        loss 2 0 loss: cross-entropy/over all items
        table 1 1 net: item table
        row > encoder > loss
        table > loss
    """,
    "cl4srec": """
        row 0 1 data: a user's row/of items
        encoder 2 0 net: encoder
        rec 3 0 loss: recommendation
        a 1 1 data: one operator:/crop, say
        b 1 2 data: another one:/mask, say
        views 2 1.5 net: the same encoder
        nce 3 1.5 loss: contrast of/the two views
        row > encoder > rec
        row > a > views > nce
        row > b > views
    """,
    "duorec": """
        row 0 0.5 data: a user's row/of items
        other 0 2 data: another row with/the same target
        encoder 1 0 net: encoder
        again 1 1 net: the same encoder,/another dropout mask
        third 1 2 net: the same encoder
        rec 2 0 loss: recommendation
        nce 2 1.5 loss: contrast
        row > encoder > rec
        row > again > nce
        other > third > nce
    """,
    "coserec": """
        row 0 1 data: a user's row/of items
        near 0 2 fixed: most correlated item/of each item
        encoder 2 0 net: encoder
        rec 3 0 loss: recommendation
        a 1 1 data: an operator, by/the row's length
        b 1 2 data: another one, also/substitute, insert
        views 2 1.5 net: the same encoder
        nce 3 1.5 loss: contrast of/the two views
        row > encoder > rec
        row > a > views > nce
        row > b > views
        near > a
        near > b
    """,
    "srma": """
        row 0 1 data: a user's row/of items
        encoder 2 0 net: encoder and/extra layers
        rec 3 0 loss: recommendation
        a 1 1 data: an operator
        b 1 2 data: an operator
        za 2 1 net: neurons masked,/layers dropped
        zb 2 2 net: other neurons,/other layers
        nce 3 1.5 loss: contrast of/the two views
        frozen 2 3 fixed: a second encoder,/frozen (optional)
        row > encoder > rec
        row > a > za > nce
        row > b > zb > nce
        frozen > nce
    """,
    "adaptiverec": """
        row 0 0 data: a user's row/of items
        views 0 2 data: DuoRec's views,/or CL4SRec's
        encoder 1 0 net: encoder
        same 1 2 net: the same encoder
        rec 2 0 loss: recommendation
        k 2 1 net: threshold of each/row's similarities
        keep 3 1 loss: stays near that of/the last epoch
        nce 3 2 loss: contrast: what is/above is no negative
        row > encoder > rec
        encoder > k > keep
        k > nce
        views > same > nce
    """,
    "bert4rec": """
        row 0 0 data: a user's row/with its target
        hidden 1 0 data: some items/hidden
        encoder 2 0 net: encoder that/looks both ways
        loss 3 0 loss: cross-entropy at/hidden items
        row > hidden > encoder > loss
    """,
    "elecrec": """
        row 0 0.5 data: a user's row/of items
        generator 1 0 net: generator
        gen 3 0 loss: cross-entropy on/next items
        drawn 2 1 data: next items, some/drawn by it instead
        disc 3 1 net: discriminator/(it ranks)
        real 4 1 loss: real, or/drawn?
        row > generator > gen
        generator > drawn > disc > real
    """,
    "s3rec_mip": """
        prefix 0 0 data: a row
        masked 1 0 data: some items/masked
        both 2 0 net: encoder that/looks both ways
        mip 3 0 loss: masked item, or/another one?
        row 0 1 data: a row
        causal 2 1 net: the same weights,/one way
        rec 3 1 loss: recommendation
        prefix > masked > both > mip
        both > causal
        row > causal > rec
    """,
    "eclsr": """
        row 0 1 data: a user's row/of items
        encoder 1 0 net: encoder
        again 1 1 net: the same encoder,/another dropout mask
        masked 1 2 data: some items/masked
        rec 3 0 loss: recommendation
        icl 3 1 loss: invariance of the/last states
        gen 2 2 net: generator
        disc 3 2 net: discriminator,/given the states
        genloss 3 3 loss: which item was/masked?
        rid 4 2 loss: which items were/replaced?
        row > encoder > rec
        encoder > icl
        row > again > icl
        row > masked > gen > disc > rid
        gen > genloss
    """,
    "iclrec": """
        row 0 1 data: a user's row/of items
        all 0 3 data: all training rows,/once an epoch
        a 1 1 data: an operator
        b 1 2 data: an operator
        encoder 2 0 net: encoder
        views 2 1.5 net: the same encoder
        intent 2 3 fixed: the row's intent:/its nearest centroid
        rec 3 0 loss: recommendation
        nce 3 1.5 loss: contrast of/the two views
        fine 3 3 loss: contrast of views/and intent
        row > encoder > rec
        row > a > views > nce
        row > b > views
        all > intent > fine
        views > fine
    """,
    "icsrec": """
        row 0 0.5 data: a user's row/of items
        other 0 2 data: another row with/the same target
        all 0 3 data: all training rows,/once an epoch
        encoder 1 0 net: encoder
        again 1 1 net: the same encoder,/another dropout mask
        third 1 2 net: the same encoder
        intent 1 3 fixed: each row's intent:/its nearest centroid
        rec 2 0 loss: recommendation
        coarse 2 1.5 loss: contrast of/the two rows
        fine 2 3 loss: contrast of each/and its intent
        row > encoder > rec
        row > again > coarse
        other > third > coarse
        all > intent > fine
        third > fine
        again > fine
    """,
    "mclrec": """
        row 0 1 data: a user's row/of items
        encoder 2 0 net: encoder
        rec 4 0 loss: recommendation
        a 1 1 data: an operator
        b 1 2 data: an operator
        views 2 1.5 net: the same encoder
        nce 4 1 loss: contrast of/the two views
        nets 3 2 net: two augmenters, a/network for each view
        meta 4 2 loss: contrasts with what/they make of the views
        row > encoder > rec
        row > a > views > nce
        row > b > views > nets > meta
    """,
    "contrastive": """
        row 0 1 data: a user's row/of items
        all 0 2 data: all training rows,/once an epoch
        encoder 1 0 net: any encoder
        views 1 1 net: the same encoder, on/the views you name
        intent 1 2 fixed: intents:/nearest centroids
        nets 1 3 net: learnt augmenters/of the vectors
        rec 2 0 loss: any recommendation/loss
        nce 2 1 loss: contrast of the first/view with each other
        fine 2 2 loss: contrast of views/and intent (optional)
        meta 2 3 loss: contrast with learnt/views (optional)
        row > encoder > rec
        row > views > nce
        all > intent > fine
        views > fine
        nets > meta
        views > meta
    """,
    "encoders": """
        row 0 2 data: item vectors,/with positions
        transformer 1 0 net: transformer: post-norm,/GELU
        query 1 1 net: query_norm: normed/queries, ReLU
        ligr 1 2 net: ligr: pre-norm, gated,/SwiGLU
        bsarec 1 3 net: bsarec: post-norm, with/a frequency filter
        gru 1 4 net: gru: recurrent layers,/without positions
        state 2 2 data: the row's states
        score 3 1.5 net: scores: products/with the item table
        penalty 3 2.5 net: history_penalty:/lowers the row's items
        rec 4 2 loss: recommendation
        row > transformer > state
        row > query > state
        row > ligr > state
        row > bsarec > state
        row > gru > state
        state > score > rec
        state > penalty > rec
    """,
}


def svg(picture: str) -> str:
    """A picture as SVG.

    Args:
        picture: Its lines, as in ``PICTURES``.
    """
    boxes: dict[str, tuple[float, float]] = {}
    shapes, arrows = [], []
    for line in filter(None, map(str.strip, picture.splitlines())):
        if ":" in line:
            place, text = line.split(": ", 1)
            name, column, row, kind = place.split()
            boxes[name] = x, y = EDGE + float(column) * (WIDTH + ACROSS), EDGE + float(row) * (HEIGHT + DOWN)
            shapes.append(_box(x, y, FILLS[kind], text.split("/")))
        else:
            names = line.split(" > ")
            arrows += [_arrow(boxes[start], boxes[end]) for start, end in zip(names, names[1:], strict=False)]
    wide = max(x for x, _ in boxes.values()) + WIDTH + EDGE
    high = max(y for _, y in boxes.values()) + HEIGHT + EDGE
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide:g}" height="{high:g}" viewBox="0 0 {wide:g} {high:g}"'
    style = 'font-family="Helvetica, Arial, sans-serif" font-size="12" text-anchor="middle"'
    tip = '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    tip += '<path d="M0 0 8 4 0 8z" fill="#78909c"/></marker>'
    return "\n".join([f"{head} {style}>", f"<defs>{tip}</defs>", *arrows, *shapes, "</svg>", ""])


def _box(x: float, y: float, fill: str, lines: list[str]) -> str:
    shape = f'<rect x="{x:g}" y="{y:g}" width="{WIDTH}" height="{HEIGHT}" rx="5" fill="{fill}" stroke="#78909c"/>'
    first = y + HEIGHT / 2 + 4 - 7.5 * (len(lines) - 1)
    texts = [
        f'<text x="{x + WIDTH / 2:g}" y="{first + 15 * number:g}" fill="#212121">{escape(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return shape + "".join(texts)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """From the right side of a box to the left one of another, or down to one in the same column."""
    (x, y), (to_x, to_y) = start, end
    if x == to_x:
        path = f"M{x + WIDTH / 2:g} {y + HEIGHT:g}V{to_y:g}"
    else:
        x, y, to_y, bend = x + WIDTH, y + HEIGHT / 2, to_y + HEIGHT / 2, ACROSS / 2
        path = f"M{x:g} {y:g}C{x + bend:g} {y:g} {x + bend:g} {to_y:g} {x + ACROSS - 8:g} {to_y:g}H{to_x:g}"
    return f'<path d="{path}" fill="none" stroke="#78909c" stroke-width="1.5" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    for method, lines in PICTURES.items():
        (Path(__file__).parent / f"{method}.svg").write_text(svg(lines), encoding="utf-8")
