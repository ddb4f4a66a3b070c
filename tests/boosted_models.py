"""Boosted trees of XGBoost and LightGBM, trained on scikit-learn's small data sets, converted by onnxmltools: labels and scores against onnxruntime.

    python -m pip install -r tests/requirements.txt -r tests/requirements-boosted.txt     (some 300 MB)
    python tests/boosted_models.py [NAME …]
"""

import importlib.util

import numpy as np

import common

MISSING = [name for name in ("sklearn", "xgboost", "lightgbm", "onnxmltools") if importlib.util.find_spec(name) is None]
ROWS = 40


def with_gaps(x):
    """A tenth of the numbers is missing: trees then go their default way."""
    return np.where(np.random.default_rng(1).random(x.shape) < 0.1, np.nan, x).astype(np.float32)


def categories(x):
    """The first column as one of eight numbers, for splits by sets."""
    x = x.copy()
    x[:, 0] = np.digitize(x[:, 0], np.quantile(x[:, 0], np.arange(1, 8) / 8))
    return x


def xgboost_models():
    from xgboost import XGBClassifier, XGBRegressor

    few = {"n_estimators": 12, "max_depth": 4}
    yield from ((XGBClassifier(**few), "three"), (XGBClassifier(**few), "two"))
    yield from ((XGBRegressor(objective=f"reg:{name}", **few), "number") for name in ("squarederror", "absoluteerror", "pseudohubererror", "gamma"))
    yield XGBRegressor(objective="count:poisson", **few), "number"


def lightgbm_models():
    from lightgbm import LGBMClassifier, LGBMRegressor

    few = {"n_estimators": 12, "num_leaves": 12, "verbose": -1}
    yield from ((LGBMClassifier(**few), "three"), (LGBMClassifier(**few), "two"), (LGBMClassifier(boosting_type="rf", bagging_freq=1, bagging_fraction=0.7, **few), "two"))
    yield from ((LGBMRegressor(objective=name, **few), "number") for name in ("regression", "huber", "poisson", "quantile"))
    yield from ((LGBMClassifier(categorical_feature=[0], **few), "categories"), (LGBMRegressor(boosting_type="dart", **few), "number"))


def data(kind):
    from sklearn.datasets import load_diabetes, load_wine

    wine, diabetes = load_wine(), load_diabetes()
    if kind == "number":
        return with_gaps(diabetes.data * 10), diabetes.target / 100
    x, two = wine.data / wine.data.std(0), wine.target < 2
    if kind == "categories":
        return categories(x.astype(np.float32)), wine.target
    return (with_gaps(x[two]), wine.target[two]) if kind == "two" else (with_gaps(x), wine.target)


def compare(estimator, kind, folder):
    """Converted and compiled: what onnxruntime computes."""
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    x, target = data(kind)
    estimator.fit(x, target)
    of_xgboost = type(estimator).__module__.startswith("xgboost")
    options = {} if of_xgboost else {"zipmap": False}
    convert = onnxmltools.convert_xgboost if of_xgboost else onnxmltools.convert_lightgbm
    made = convert(estimator, initial_types=[("x", FloatTensorType([None, x.shape[1]]))], target_opset=15, **options)
    x = x[::4][:ROWS]
    net = common.library(made, folder)
    expected = common.onnxruntime_outputs(made, {"x": x})
    common.same(net.run([x]), expected, rtol=2e-5, atol=2e-5)


def all_checks():
    if MISSING:
        print(f"skipped: {', '.join(MISSING)} not there")
        return {}
    checks = {}
    for estimator, kind in [*xgboost_models(), *lightgbm_models()]:
        name = f"{type(estimator).__name__}_{kind}_{len(checks)}"
        checks[name] = lambda folder, estimator=estimator, kind=kind: compare(estimator, kind, folder)
    return checks


if __name__ == "__main__":
    common.run_named(all_checks())
