"""How a random node is drawn: choices, shapes, numbers, and the list of what draws which operator.

    @draws("Relu", "Sigmoid")
    def unary(d):
        return d.node([d.data(d.shape(), d.type("T"))])

`d` (a Draw) knows the operator, the version that was drawn from the operator table, and its types. A generator gives shapes, values and
attributes that the operator takes. Values for which the standard leaves the result open are not drawn (each place says so).
"""

import collections

import ml_dtypes
import numpy as np

from . import table

GENERATORS = {}  # full name: (function, whether results are exact)

SIZES = [1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 13, 16, 17]
MOST_ELEMENTS = 3000
TEXTS = np.array(["", "a", "Abc", " two  words ", "a,b,,c", "ÄÖß éÈ Ωμ", "日本語 テキスト", "🙂 𐐀𐐨", "x" * 40, "\t tab\nline ", "1.5"], dtype=object)
# `kind`: "data" may be anything, so that nodes may stand in front of it; "bounded" must stay near its value, and so must "sized", of which the
# sizes must be known; "fixed" must stay as it is, and so must "shape", of which the length must be known: a rank depends on it.
Input = collections.namedtuple("Input", "array kind must_be_constant")
# A node whose `values` are not compared draws random numbers.
# Results come out of numbers as large as `magnitude`, where the inputs do not tell. Results of `steps` that are rounded to the node's own types,
# so that narrow ones show it: onnxruntime's CPU, which has no such kernels, computes them in float. `described`: what the node is in the standard's
# operators, for a node that no reference has: (operator, inputs, outputs, attributes), its own inputs being x0, x1, … and its outputs y0, y1, ….
Drawn = collections.namedtuple("Drawn", "row opset inputs attributes outputs exact values magnitude steps described")


def draws(*names, exact=False, domain=""):
    """The function draws these operators. `exact`: results are moved or rounded correctly, equal to the last bit."""

    def register(function):
        for name in names:
            GENERATORS[table.full_name(domain, name)] = (function, exact)
        return function

    return register


def special_floats(dtype):
    info = ml_dtypes.finfo(dtype)
    return [np.nan, np.inf, -np.inf, 0.0, -0.0, info.max, info.min, info.tiny, info.smallest_subnormal, -info.smallest_subnormal]


class Draw:
    def __init__(self, rng, row, opset, exact):
        self.rng, self.row, self.opset, self.exact = rng, row, opset, exact
        self.chosen = {}

    # --- choices ---

    def below(self, limit):
        return int(self.rng.integers(limit))

    def between(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def pick(self, items):
        items = list(items)
        return items[self.below(len(items))]

    def chance(self, share):
        return bool(self.rng.random() < share)

    def uniform(self, low, high):
        """A number that an attribute, which is a float32, holds exactly."""
        return float(np.float32(self.rng.uniform(low, high)))

    # --- what the table says ---

    def has(self, attribute):
        return attribute in self.row.attributes

    def takes(self, name):
        return name in self.row.inputs

    def type(self, variable, among=None, texts=False):
        """The type drawn for a type variable or a port; float32 more often than others, strings only where `texts` says so."""
        text = self.row.types.get(variable, variable)
        if text in self.row.types:
            return self.type(text, among, texts)
        if variable not in self.chosen:
            fitting = [table.DTYPES[name] for name in text.split() if name in table.DTYPES]
            fitting = [dtype for dtype in fitting if among is None or dtype in among]
            fitting += [dtype for dtype in fitting if dtype == np.float32] * 3
            fitting += [table.TEXT] * (texts and "string" in text.split())
            if not fitting:
                raise Undrawable(f"none of the types {text} is drawn")
            self.chosen[variable] = self.pick(fitting)
        return self.chosen[variable]

    # --- shapes ---

    def shape(self, low=0, high=4, empty=True, sizes=SIZES, most=MOST_ELEMENTS):
        shape = [self.pick(sizes) for _ in range(self.between(low, high))]
        while np.prod(shape, dtype=np.int64) > most:
            at = int(np.argmax(shape))
            shape[at] = max(1, shape[at] // 2)
        if empty and shape and self.chance(0.05):
            shape[self.below(len(shape))] = 0
        return tuple(shape)

    def axis(self, rank, low=0):
        """One of the axes from `low` on, sometimes counted from behind."""
        axis = self.between(low, rank - 1)
        return axis - rank if self.chance(0.4) else axis

    def axes(self, rank, least=0):
        """Some axes, in any order, some counted from behind."""
        count = self.between(min(least, rank), rank)
        return [int(axis) - rank * self.below(2) for axis in self.rng.permutation(rank)[:count]]

    def broadcast(self, shape):
        """A shape that goes together with this one, which it does not enlarge."""
        part = list(shape[self.below(len(shape) + 1) if self.chance(0.4) else 0 :])
        return tuple(1 if self.chance(0.3) else size for size in part)

    def broadcast_pair(self, **more):
        """Two shapes, each of which may enlarge the other."""
        shape = self.shape(**more)
        one, other = list(shape), list(self.broadcast(shape))
        for i in range(1, len(other) + 1):
            if other[-i] == shape[len(shape) - i] and self.chance(0.25):
                one[-i] = 1
        return (tuple(one), tuple(other)) if self.chance(0.5) else (tuple(other), tuple(one))

    # --- numbers ---

    def floats(self, shape, dtype, special=False, low=None, high=None):
        if low is not None:
            return self.rng.uniform(low, high, shape).astype(dtype)
        numbers = self.rng.standard_normal(shape) * self.pick([1, 1, 1, 10, 0.1])
        if self.chance(0.15):  # many equal ones, and halves
            numbers = np.round(numbers * 4) / 2
        if self.exact:  # no more digits than a float: references without double go through it
            numbers = numbers.astype(np.float32)
        numbers = numbers.astype(dtype)
        if special and self.chance(0.35):
            chosen = self.rng.random(shape) < self.pick([0.1, 0.5])
            with np.errstate(over="ignore"):
                extras = self.rng.choice(np.array(special_floats(dtype), np.float64), shape).astype(dtype)
            numbers = np.where(chosen, extras, numbers).astype(dtype)
        return numbers

    def integers(self, shape, dtype, special=False, low=None, high=None):
        info = np.iinfo(dtype)
        if low is None and special and self.chance(0.35):
            low, high = int(info.min), int(info.max)
            numbers = self.rng.integers(low, high, shape, dtype=dtype, endpoint=True)
            return np.where(self.rng.random(shape) < 0.2, self.pick([info.min, info.max]), numbers).astype(dtype)
        low, high = (-20, 20) if low is None else (low, high)
        return self.rng.integers(max(low, info.min), min(high, info.max), shape, endpoint=True).astype(dtype)

    def array(self, shape, dtype, special=False, low=None, high=None):
        if dtype == table.TEXT:
            return np.asarray(self.rng.choice(TEXTS, shape), dtype=object)
        if dtype == np.bool_:
            return np.asarray(self.rng.random(shape) < 0.5)
        if dtype.kind in "iu":
            return np.asarray(self.integers(shape, dtype, special, low, high))
        return np.asarray(self.floats(shape, dtype, special, low, high))

    def data(self, shape, dtype, special=False, low=None, high=None):
        """An input whose values are free (within low and high)."""
        return Input(self.array(shape, dtype, special, low, high), "data" if low is None else "bounded", False)

    def ints(self, numbers, dtype=np.int64):
        """An input of indices or, a list, of sizes or axes."""
        return Input(np.asarray(numbers, dtype), "shape" if isinstance(numbers, (list, tuple)) else "fixed", False)

    def constant(self, array):
        """An input that the model itself must give."""
        return Input(np.asarray(array), "fixed", True)

    def maybe(self, value):
        """An optional input, sometimes left out."""
        return value if self.chance(0.6) else None

    # --- the node ---

    def some(self, **attributes):
        """Of these attributes those that this version has; each is left out at times. None says that it must be."""
        return {k: v for k, v in attributes.items() if self.has(k) and v is not None and self.chance(0.75)}

    def having(self, **attributes):
        """Of these attributes all that this version has."""
        return {k: v for k, v in attributes.items() if self.has(k) and v is not None}

    def node(self, inputs, attributes=None, outputs=1, exact=None, values=True, magnitude=0, steps=False, described=()):
        """`outputs`: how many, or for each whether somebody asks for it."""
        asked = [True] * outputs if isinstance(outputs, int) else list(outputs)
        given = [i if i is None or isinstance(i, Input) else Input(np.asarray(i), "fixed", False) for i in inputs]
        while given and given[-1] is None:
            given.pop()
        exact = self.exact if exact is None else exact
        return Drawn(self.row, self.opset, given, attributes or {}, asked, exact, values, magnitude, steps, described)


def largest(drawn):
    """Of an input, for `magnitude`: what x is larger than f(x) is lost in x * (1 + erf(x)), in sums that cancel, and the like, also where no
    float64 run says so."""
    numbers = np.abs(drawn.array.astype(np.float64))
    return float(np.max(numbers, initial=0, where=np.isfinite(numbers)))


class Undrawable(Exception):
    """The version drawn has no types or forms that a generator draws: another one is taken."""


def draw_node(rng, rows):
    """A node of one of the versions in `rows`."""
    for _ in range(50):
        row = rows[int(rng.integers(len(rows)))]
        function, exact = GENERATORS[table.full_name(row.domain, row.name)]
        try:
            return function(Draw(rng, row, int(rng.choice(list(row.opsets))), exact))
        except Undrawable:
            continue
    raise Undrawable(rows[0].name)
