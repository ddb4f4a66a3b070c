"""What the rows of build/bench/results.json mean: ratios and means."""

import math

PEERS = {"ort": "onnxruntime", "openvino": "OpenVINO"}
# One Relu of 16 numbers: what a call costs. It stands in the tables, and in no mean.
CALL_COST = "noop"


def value(result, quick=False):
    """Nanoseconds that count, or None: the median of the turns, or the least sample."""
    return None if result is None or "error" in result else result["least" if quick else "ns"]


def ratio(results, engine, quick=False):
    """Time of the faster peer divided by that of the engine, or None."""
    peers = [v for v in (value(results.get(peer), quick) for peer in PEERS) if v]
    own = value(results.get(engine), quick)
    return min(peers) / own if peers and own else None


def geometric_mean(values):
    values = [v for v in values if v]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None
