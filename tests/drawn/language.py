"""Nodes of language models: attention as onnxruntime has it, linear attention, rotations, caches, embeddings."""

import numpy as np

from .draw import draws

F32, INT32, BOOL = np.dtype(np.float32), np.dtype(np.int32), np.dtype(bool)
MICROSOFT = "com.microsoft"


def seen(d, *shape):
    """Each row sees the first key at least: what a row that sees nothing gives is left open."""
    mask = d.array(shape, BOOL)
    mask[..., 0] = True
    return mask


def numbers(d, high, *shape, dtype=INT32, low=0):
    return d.ints(d.array(shape, dtype, low=low, high=high - 1), dtype)


# --- attention of onnxruntime ---


class Heads:
    """Sizes of an attention in which Q has `rows` rows; K and V have `keys`, and `past` before them."""

    def __init__(self, d, size=(4, 8, 20), past=(0, 0, 3)):
        self.batch, self.heads, self.size = d.pick([1, 2]), d.pick([1, 2, 3]), d.pick(size)
        self.rows, self.past = d.pick([1, 3, 7]), d.pick(past)
        self.width = self.heads * self.size

    def scores(self, d, keys, dtype):
        """What is added to the scores."""
        return d.data((d.pick([1, self.batch]), d.pick([1, self.heads]), self.rows, keys), dtype)

    def cache(self, d, dtype):
        return d.data((self.batch, self.heads, self.past, self.size), dtype)


def key_mask(d, s, keys, causal):
    """Of integers: where the keys of each batch item end (and begin), or which of them are seen."""
    ends = d.array((s.batch,), INT32, low=1, high=keys)
    begins = np.zeros_like(ends) if causal else d.array((s.batch,), INT32, low=0, high=0) + ends // 2
    masks = [ends, seen(d, s.batch, keys), seen(d, s.batch, s.rows, keys)]
    if "past" in d.row.inputs:
        masks.append(np.concatenate([ends, begins]))
    return d.ints(d.pick(masks), INT32)


def with_mask(inputs, mask):
    """Which form a mask of one dim has depends on how many batch items there are."""
    if mask and mask.array.ndim == 1 and len(mask.array) != len(inputs[0].array):
        return [inputs[0]._replace(kind="sized"), *inputs[1:], mask._replace(kind="shape")]
    return [*inputs, mask]


@draws("Attention", domain=MICROSOFT)
def projected_attention(d):
    """Not with do_rotary, nor with a past that shares its memory with the present, which ctc does not take; masks of four dims
    onnxruntime's CPU does not, and without a bias it crashes."""
    s, inner, dtype, causal = Heads(d), d.pick([1, 6, 16]), d.type("T"), d.below(2)
    wide = s.width if s.past or d.chance(0.6) else s.heads * d.pick([3, 5])
    keys, every = s.past + s.rows, 2 * s.width + wide
    inputs = [d.data((s.batch, s.rows, inner), dtype), d.data((inner, every), dtype)._replace(kind="sized"), d.data((every,), dtype)]
    inputs = [*with_mask(inputs, d.maybe(key_mask(d, s, keys, causal))), d.data((2, *s.cache(d, dtype).array.shape), dtype) if s.past else None,
              s.scores(d, keys, dtype) if not s.past and d.chance(0.4) else None]
    attributes = {"num_heads": s.heads, "unidirectional": causal} | d.some(scale=d.uniform(0.1, 1))
    attributes |= {"qkv_hidden_sizes": [s.width, s.width, wide]} if wide != s.width else {}
    return d.node(inputs, attributes, 2 if s.past else 1, steps=True)


@draws("QAttention", domain=MICROSOFT)
def quantised_attention(d):
    s, inner, causal = Heads(d), d.pick([1, 6, 16]), d.below(2)
    kinds = [d.type("T1", [np.dtype(np.uint8)]), d.type("T2")]  # which onnxruntime has
    d.type("T3", [F32])
    per, every, keys = d.pick([(), (3 * s.width,)]), 3 * s.width, s.past + s.rows
    low, high = (0, 255) if kinds[1] == np.uint8 else (-128, 127)
    inputs = [numbers(d, 256, s.batch, s.rows, inner, dtype=kinds[0]), numbers(d, high + 1, inner, every, dtype=kinds[1], low=low)._replace(kind="sized"), d.data((every,), F32),
              d.data((), F32, low=0.01, high=0.05), d.data(per, F32, low=0.01, high=0.05)]
    inputs = [*with_mask(inputs, d.maybe(key_mask(d, s, keys, causal))), d.ints(d.below(256), kinds[0]), numbers(d, high + 1, *per, dtype=kinds[1], low=low),
              d.data((2, *s.cache(d, F32).array.shape), F32) if s.past else None]
    return d.node(inputs, {"num_heads": s.heads, "unidirectional": causal}, 2 if s.past else 1)


@draws("MultiHeadAttention", domain=MICROSOFT)
def multi_head_attention(d):
    """Packed inputs are none of onnxruntime's CPU (tests/microsoft.py has them)."""
    s, dtype, causal = Heads(d), d.type("T"), d.below(2)
    fresh = s.rows if s.past or causal else d.pick([1, 4, 9])
    in_heads = not s.past and d.chance(0.3)
    wide = s.width if s.past or in_heads or d.chance(0.7) else s.heads * d.pick([3, 5])
    keys = s.past + fresh
    shape = lambda width: (s.batch, s.heads, fresh, width // s.heads) if in_heads else (s.batch, fresh, width)  # noqa: E731
    bias = d.data((2 * s.width + wide,), dtype) if not in_heads and d.chance(0.5) else None
    inputs = [d.data((s.batch, s.rows, s.width), dtype), d.data(shape(s.width), dtype), d.data(shape(wide), dtype), bias,
              d.maybe(key_mask(d, s, keys, causal)), s.scores(d, keys, dtype) if d.chance(0.3) else None]
    inputs += [s.cache(d, dtype), s.cache(d, dtype)] if s.past else []
    presents = 3 if s.past or (not in_heads and d.chance(0.3)) else 1
    return d.node(inputs, {"num_heads": s.heads} | d.having(unidirectional=causal) | d.some(scale=d.uniform(0.1, 1)), presents, steps=True)


def angles(d, positions, pairs, dtype):
    return [d.data((positions, pairs), dtype, low=-1, high=1) for _ in range(2)]


@draws("GroupQueryAttention", domain=MICROSOFT)
def group_query_attention(d):
    """Prompts are as long as they may be: what rows give that pad is left open. Not with caches of integers and not with sliding_window_cache, which ctc
    does not take."""
    batch, kv_heads, group, size = d.pick([1, 2]), d.pick([1, 2]), d.pick([1, 2, 3]), d.pick([8, 16, 32])
    heads, dtype, first = kv_heads * group, d.type("T"), d.chance(0.5)
    rows = d.pick([1, 3, 7]) if first or batch == 1 else 1
    room = 0 if first else d.pick([4, 9])
    # Several rows behind a past that fills its cache are what onnxruntime's CPU has.
    pasts = d.array((batch,), INT32, low=0 if rows == 1 else room, high=room)
    lengths = pasts + rows
    widths = [(heads + 2 * kv_heads) * size] if d.chance(0.3) else [heads * size, kv_heads * size, kv_heads * size]
    inputs = [d.data((batch, rows, width), dtype)._replace(kind="sized") for width in widths] + [None] * (3 - len(widths))
    inputs += [past_rows(d, (batch, kv_heads, room, size), pasts, dtype) for _ in range(2)] if not first else [None, None]
    inputs += [d.ints(lengths - 1, INT32), d.constant(np.int32(lengths.max()))]
    turned = size % 16 == 0 and d.chance(0.6)
    inputs += angles(d, 32, size // 2, dtype) if turned else [None, None]
    # Of the positions of a prompt it reads the first one: the others follow.
    offsets = d.array((1 if first or rows > 1 else batch, 1), np.dtype(np.int64), low=0, high=20)
    inputs += [d.ints(np.broadcast_to(offsets + np.arange(rows), (batch, rows)).copy()) if turned and d.chance(0.3) else None]
    inputs += [d.data((d.pick([1, batch]), d.pick([1, heads]), rows, int(lengths.max())), dtype) if d.chance(0.25) else None]
    inputs += [d.data((heads,), dtype) if d.chance(0.2) else None]
    attributes = {"num_heads": heads, "kv_num_heads": kv_heads, "do_rotary": int(turned)} | ({"rotary_interleaved": d.below(2)} if turned else {})
    attributes |= {"local_window_size": d.between(1, 4)} if d.chance(0.3) else {}
    attributes |= {"softcap": d.uniform(1, 5)} if d.chance(0.2) else {}
    attributes |= {"smooth_softmax": 1} if inputs[-1] is None and d.chance(0.2) else {}
    return d.node(inputs, attributes | d.some(scale=d.uniform(0.1, 1)), 3, steps=True)


def past_rows(d, shape, lengths, dtype):
    """A cache with zeros behind the rows that each batch item has."""
    cache = d.data(shape, dtype)
    for item, length in enumerate(lengths):
        cache.array[item, :, length:] = 0
    return cache


# --- linear attention ---


@draws("LinearAttention")
@draws("LinearAttention", domain=MICROSOFT)
def linear_attention(d):
    batch, rows, kv_heads, group = d.pick([1, 2]), d.pick([1, 2, 5]), d.pick([1, 2, 3]), d.pick([1, 2])
    heads, size, wide = kv_heads * group, d.pick([1, 4, 8]), d.pick([1, 3, 8, 20])
    dtype, rule = d.type("T"), d.pick(["linear", "gated", "delta", "gated_delta"])
    flat = lambda width: d.data((batch, rows, width), dtype)._replace(kind="sized")  # noqa: E731
    decay = d.data((batch, rows, kv_heads * d.pick([1, size])), dtype, low=-2, high=0) if "gated" in rule else None
    beta = d.data((batch, rows, d.pick([1, kv_heads])), dtype, low=0, high=1) if "delta" in rule else None
    keys = d.data((batch, rows, kv_heads * size), dtype, low=-0.5, high=0.5)
    past = d.maybe(d.data((batch, kv_heads, size, wide), d.type("S", [dtype] if d.row.domain else None)))
    return d.node([flat(heads * size), keys, flat(kv_heads * wide), past, decay, beta],
                  {"q_num_heads": heads, "kv_num_heads": kv_heads, "update_rule": rule} | d.some(scale=d.uniform(0.1, 1)), 2)


# --- rotations and caches ---


def turned_input(d):
    """(x, batch, rows, pairs, attributes)"""
    batch, heads, rows, size = d.pick([1, 2]), d.pick([1, 3]), d.pick([1, 2, 5]), d.pick([4, 8, 16])
    flat, part = d.chance(0.5), d.chance(0.3)
    x = d.data((batch, rows, heads * size) if flat else (batch, heads, rows, size), d.type("T"))
    attributes = d.some(interleaved=d.below(2)) | ({"rotary_embedding_dim": size // 2} if part else {})
    return x, batch, rows, size // (4 if part else 2), attributes | ({"num_heads": heads} if flat or part else {})


@draws("RotaryEmbedding")
def rotary(d):
    x, batch, rows, pairs, attributes = turned_input(d)
    dtype = x.array.dtype
    if d.chance(0.5):
        caches = [d.data((batch, rows, pairs), dtype, low=-1, high=1) for _ in range(2)]
        return d.node([x, *caches], attributes, magnitude=4)
    return d.node([x, *angles(d, 9, pairs, dtype), numbers(d, 9, batch, rows, dtype=np.dtype(np.int64))], attributes, magnitude=4)


@draws("RotaryEmbedding", domain=MICROSOFT)
def rotary_of_onnxruntime(d):
    x, batch, rows, pairs, attributes = turned_input(d)
    positions = d.ints([d.below(9)]) if d.chance(0.4) else numbers(d, 16, batch, rows, dtype=np.dtype(np.int64))
    return d.node([x, positions, *angles(d, 16, pairs, x.array.dtype)], attributes, magnitude=4)


@draws("TensorScatter", exact=True)
def tensor_scatter(d):
    rank = d.between(2, 4)
    axis = d.between(1, rank - 1)
    shape = [d.pick([1, 2, 3]) for _ in range(rank)]
    shape[axis] = d.pick([1, 5, 8])
    rows, mode = d.between(1, shape[axis]), d.pick(["linear", "circular"])
    dtype = d.type("T")
    last = shape[axis] - (rows if mode == "linear" else 1)
    places = d.maybe(numbers(d, last + 1, shape[0], dtype=np.dtype(np.int64)))
    update = (*shape[:axis], rows, *shape[axis + 1 :])
    return d.node([d.data(tuple(shape), dtype, True), d.data(update, dtype, True), places], {"axis": axis - rank * d.below(2), "mode": mode})


# --- embeddings and words ---


@draws("EmbedLayerNormalization", domain=MICROSOFT)
def embed(d):
    batch, length, width = d.pick([1, 2]), d.pick([1, 4]), d.pick([4, 8])
    words, places, segments = 7, 6, 2
    table = lambda rows: d.data((rows, width), F32)  # noqa: E731
    d.type("T", [F32])
    two = d.chance(0.5)
    inputs = [numbers(d, words, batch, length), numbers(d, segments, batch, length) if two else None, table(words), table(places),
              table(segments) if two else None, d.data((width,), F32), d.data((width,), F32)]
    if d.chance(0.4):
        inputs += [None, numbers(d, places, batch, length)]
    return d.node(inputs, {"epsilon": 1e-3}, 2)


@draws("NGramRepeatBlock", exact=True, domain=MICROSOFT)
def ngram(d):
    batch, length, words = d.pick([1, 2]), d.pick([1, 3, 9]), 5
    return d.node([numbers(d, words, batch, length, dtype=np.dtype(np.int64)), d.data((batch, words), F32)], {"ngram_size": d.between(1, 3)})
