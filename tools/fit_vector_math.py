#!/usr/bin/env python3
"""Fits the polynomials of runtime/vector_math.c and prints them, lowest power first, with their errors.

    fit_vector_math.py [NAME…]

Each function of TARGETS is approximated on an interval with the smallest greatest relative error: Lawson's iteration (least squares
whose weights grow where the error is large) on Chebyshev nodes, in long double. Then the coefficients become float32 one after the
other, the lowest power first, and those that are left are fitted again, so that they make up for the rounding. Last, single
coefficients are moved by steps of one float32 as long as that lowers the error of the evaluation in float32 itself, with fused
multiply-adds as the kernels have them.
"""
import argparse
import math

import numpy as np

LONG = np.longdouble
LAWSON_TURNS = 200
NODES = 1200
CHECKS = 40001
POLISH_TURNS = 6


def nodes(low, high, count):
    """Chebyshev nodes: denser at the ends, where the errors are."""
    angles = (np.arange(count, dtype=LONG) + LONG(0.5)) * LONG(math.pi) / count
    return (LONG(low) + high) / 2 + (LONG(high) - low) / 2 * np.cos(angles)


def least_squares(columns, target, weights):
    """Coefficients by QR in double on scaled columns, refined once in long double."""
    scale = np.abs(columns * weights[:, None]).max(axis=0)
    matrix = columns * weights[:, None] / scale
    solve = lambda right: np.linalg.lstsq(matrix.astype(float), right.astype(float), rcond=None)[0].astype(LONG)
    right = target * weights
    found = solve(right)
    for _ in range(3):
        found = found + solve(right - matrix @ found)
    return found / scale


def lawson(columns, target, relative):
    """The coefficients whose greatest error, times `relative`, is smallest."""
    weights = np.ones(len(target), dtype=LONG)
    best, best_error = None, None
    for _ in range(LAWSON_TURNS):
        found = least_squares(columns, target, np.sqrt(weights) * relative)
        errors = np.abs((columns @ found - target) * relative)
        if best is None or errors.max() < best_error:
            best, best_error = found, errors.max()
        weights = weights * (errors / errors.max() + LONG(1e-6))
        weights = weights / weights.sum()
    return best


def rounded(columns, target, relative):
    """Coefficients that are float32: from the lowest power on, each is rounded and the rest fitted again."""
    fixed = []
    while len(fixed) < columns.shape[1]:
        rest = target - sum((columns[:, i] * LONG(c) for i, c in enumerate(fixed)), LONG(0) * target)
        fixed.append(np.float32(lawson(columns[:, len(fixed):], rest, relative)[0]))
    return np.array(fixed, dtype=np.float32)


# --- evaluation in float32 ---

def fma(a, b, c):
    """a b + c rounded once (twice in rare cases: double first)."""
    return (np.asarray(a, dtype=np.float64) * b + c).astype(np.float32)


def horner(coefficients, x):
    value = np.full(x.shape, coefficients[-1], dtype=np.float32)
    for c in coefficients[-2::-1]:
        value = fma(value, x, c)
    return value


def ulps(value, exact):
    """Distance in units of the last place of the exact value's float32."""
    spacing = np.spacing(np.abs(exact).astype(np.float32)).astype(np.float64)
    return np.abs(value.astype(np.float64) - exact.astype(np.float64)) / np.maximum(spacing, 2.0 ** -149)


def polish(parts, evaluate, exact, x):
    """Moves coefficients by one float32 where the greatest error in float32 falls. `parts`: lists of coefficients."""
    score = lambda: float(ulps(evaluate(parts, x), exact).max())
    best = score()
    for _ in range(POLISH_TURNS):
        before = best
        for part in parts:
            for i in range(len(part)):
                for towards in (np.float32(np.inf), np.float32(-np.inf)):
                    old = part[i]
                    part[i] = np.nextafter(old, towards)
                    now = score()
                    if now < best:
                        best = now
                    else:
                        part[i] = old
        if best == before:
            break
    return best


# --- what is fitted ---

class Polynomial:
    """f(x) = start(x) + factor(x) q(t(x)), q of `degree`; in float32 by `evaluate`, unless that is left to the default."""

    def __init__(self, about, function, low, high, degree, start, factor, argument=lambda x: x, evaluate=None):
        self.about, self.function, self.low, self.high, self.degree = about, function, low, high, degree
        self.start, self.factor, self.argument = start, factor, argument
        self.evaluate = evaluate

    def fit(self):
        x = nodes(self.low, self.high, NODES)
        exact = self.function(x)
        powers = self.argument(x)[:, None] ** np.arange(self.degree + 1)
        columns = powers * self.factor(x)[:, None]
        found = rounded(columns, exact - self.start(x), 1 / np.abs(exact))
        parts = [found]
        checks = np.linspace(self.low, self.high, CHECKS).astype(np.float32)
        checks = checks[np.abs(checks) > 1e-6]
        error = polish(parts, self.evaluate, self.function(checks.astype(LONG)), checks)
        theory = float(np.abs((columns @ found.astype(LONG) + self.start(x) - exact) / exact).max())
        return {"q": parts[0]}, theory, error


class Rational:
    """f(x) = x p(x^2) / q(x^2) for an odd function, q(0) = `first`."""

    def __init__(self, about, function, high, p_degree, q_degree, first=1):
        self.about, self.function, self.high = about, function, high
        self.p_degree, self.q_degree, self.first = p_degree, q_degree, first

    def fit(self):
        x = nodes(1e-4, self.high, NODES)
        s, ratio = x * x, self.function(x) / x
        p_columns = s[:, None] ** np.arange(self.p_degree + 1)
        q_columns = s[:, None] ** np.arange(1, self.q_degree + 1)
        columns = np.hstack([p_columns, -ratio[:, None] * q_columns])
        # p - f q = f: the error counts times 1 / (f q), with the q of the turn before.
        weights, bottom = np.ones(len(x), dtype=LONG), np.ones(len(x), dtype=LONG)
        best, best_error = None, None
        for _ in range(4 * LAWSON_TURNS):
            found = least_squares(columns, ratio, np.sqrt(weights) / np.abs(ratio * bottom))
            top, bottom = p_columns @ found[:self.p_degree + 1], 1 + q_columns @ found[self.p_degree + 1:]
            errors = np.abs(top / bottom / ratio - 1)
            if best is None or errors.max() < best_error:
                best, best_error = found, errors.max()
            weights = weights * (errors / errors.max() + LONG(1e-6))
            weights = weights / weights.sum()
        q = (self.first * np.concatenate([[1], best[self.p_degree + 1:]])).astype(np.float32)
        # The top again, for the bottom as it is rounded.
        bottom = np.hstack([np.ones((len(x), 1)), q_columns]) @ q.astype(LONG)
        p = rounded(p_columns / (ratio * bottom)[:, None], np.ones(len(x), dtype=LONG), np.ones(len(x), dtype=LONG))
        checks = np.linspace(0, self.high, CHECKS).astype(np.float32)[1:]
        error = polish([p, q[1:]], lambda parts, x: self.evaluate(parts[0], parts[1], x), self.function(checks.astype(LONG)), checks)
        return {"p": p, "q": q}, float(best_error), error

    def evaluate(self, p, q, x):
        s = (x * x).astype(np.float32)
        top = (horner(p, s) * x).astype(np.float32)
        return (top / horner(np.concatenate([[np.float32(self.first)], q]), s)).astype(np.float32)


class LogErfc:
    """log(erfc(a / sqrt 2)) = a q(a) for a >= 0, by its effect on erfc: absolute, but no larger than 1e-4 of erfc's size there."""

    def __init__(self, about, high, degree):
        self.about, self.high, self.degree = about, high, degree

    def fit(self):
        a = nodes(1e-3, self.high, NODES)
        size = erfc(a / np.sqrt(LONG(2)))
        exact, columns = np.log(size) / a, a[:, None] ** np.arange(self.degree + 1)
        found = rounded(columns, exact, np.maximum(size, 1e-4) * a)
        theory = float(np.abs((columns @ found.astype(LONG) - exact) * a * size).max())
        checks = np.linspace(0, self.high, CHECKS).astype(np.float32)
        value = np.exp((horner(found, checks) * checks).astype(np.float32).astype(LONG))
        return {"q": found}, theory, float(ulps(value, erfc(checks / np.sqrt(LONG(2))))[checks < 1].max())


erf = np.vectorize(lambda x: LONG(math.erf(float(x))), otypes=[LONG])
erfc = np.vectorize(lambda x: LONG(math.erfc(float(x))), otypes=[LONG])
one, zero = (lambda x: x * 0 + 1), (lambda x: x * 0)
HALF_LN2 = math.log(2) / 2 * 1.002
QUARTER_PI = math.pi / 4 * 1.002

TARGETS = {
    "exp": Polynomial("e^r = 1 + r + r^2 q(r)", np.exp, -HALF_LN2, HALF_LN2, 4, lambda r: 1 + r, lambda r: r * r,
                      evaluate=lambda parts, r: horner(np.concatenate([np.float32([1, 1]), parts[0]]), r)),
    "log": Polynomial("log(1 + f) = f + f^2 q(f)", np.log1p, -0.2501, 0.5001, 8, lambda f: f, lambda f: f * f,
                      evaluate=lambda parts, f: fma(horner(parts[0], f), f * f, f)),
    "sin": Polynomial("sin(r) = r + r^3 q(r^2)", np.sin, -QUARTER_PI, QUARTER_PI, 3, lambda r: r, lambda r: r ** 3, lambda r: r * r,
                      evaluate=lambda parts, r: fma(horner(parts[0], r * r), (r * r) * r, r)),
    "cos": Polynomial("cos(r) = 1 - r^2 / 2 + r^4 q(r^2)", np.cos, -QUARTER_PI, QUARTER_PI, 2, lambda r: 1 - r * r / 2,
                      lambda r: r ** 4, lambda r: r * r,
                      evaluate=lambda parts, r: horner(np.concatenate([np.float32([1, -0.5]), parts[0]]), r * r)),
    "tanh": Rational("tanh(x) = x p(x^2) / q(x^2)", np.tanh, 9.02, 4, 4),
    "sigmoid": Rational("tanh(r / 2) = r p(r^2) / q(r^2)", lambda r: np.tanh(r / 2), HALF_LN2, 1, 1, first=0.9375),
    "erf": Rational("erf(x) = x p(x^2) / q(x^2)", erf, 3.93, 5, 5),
    "gelu": LogErfc("erfc(a / sqrt 2) = e^(a q(a)), of which the errors are, the second for a < 1", 5.0, 7),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", default=list(TARGETS))
    for name in parser.parse_args().names:
        target = TARGETS[name]
        parts, theory, error = target.fit()
        print(f"{name}: {target.about}; error {theory:.2g}, in float32 {error:.2f} ulp")
        for part, numbers in parts.items():
            print(f"  {part}: " + ", ".join(f"{float(c):.9g}f" for c in numbers))


if __name__ == "__main__":
    main()
