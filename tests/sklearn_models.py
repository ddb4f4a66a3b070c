"""Estimators and pipelines of scikit-learn, trained on its small data sets, converted by skl2onnx: labels and scores against onnxruntime.

    python -m pip install -r tests/requirements.txt -r tests/requirements-sklearn.txt     (some 60 MB)
    python tests/sklearn_models.py [NAME …]
"""

import importlib.util

import numpy as np

import common

MISSING = [name for name in ("sklearn", "skl2onnx") if importlib.util.find_spec(name) is None]
ROWS = 40


def classifiers():
    from sklearn.ensemble import AdaBoostClassifier, ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
    from sklearn.naive_bayes import BernoulliNB, GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC, LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    few = {"n_estimators": 8, "random_state": 0}
    yield from (LogisticRegression(max_iter=500), RidgeClassifier(), SGDClassifier(random_state=0), LinearSVC(), SVC(), SVC(kernel="poly", probability=True))
    yield from (DecisionTreeClassifier(max_depth=5), RandomForestClassifier(**few), ExtraTreesClassifier(**few), GradientBoostingClassifier(**few))
    yield from (AdaBoostClassifier(**few), GaussianNB(), BernoulliNB(), KNeighborsClassifier(), MLPClassifier((16,), max_iter=50))


def regressors():
    from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import ElasticNet, LinearRegression
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.svm import SVR, NuSVR
    from sklearn.tree import DecisionTreeRegressor

    few = {"n_estimators": 8, "random_state": 0}
    yield from (LinearRegression(), ElasticNet(), SVR(), NuSVR(kernel="sigmoid"), KNeighborsRegressor(), DecisionTreeRegressor(max_depth=6))
    yield from (RandomForestRegressor(**few), ExtraTreesRegressor(**few), GradientBoostingRegressor(**few))


def transformers():
    from sklearn.decomposition import PCA
    from sklearn.impute import SimpleImputer
    from sklearn.mixture import GaussianMixture
    from sklearn.preprocessing import Binarizer, MinMaxScaler, Normalizer, PolynomialFeatures, RobustScaler, StandardScaler

    yield from (StandardScaler(), MinMaxScaler(), RobustScaler(), Normalizer(), Binarizer(threshold=2.0), SimpleImputer(), PolynomialFeatures(2), PCA(2), GaussianMixture(3, random_state=0))


def compare(estimator, x, folder):
    """Converted and compiled: what onnxruntime computes, strings and numbers."""
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    zipped = hasattr(estimator, "classes_")
    options = {id(estimator): {"zipmap": False}} if zipped and type(estimator).__name__ != "LinearSVC" else None
    onnx_model = skl2onnx.to_onnx(estimator, initial_types=[("x", FloatTensorType([None, x.shape[1]]))], options=options, target_opset={"": 18, "ai.onnx.ml": 3})
    net = common.library(onnx_model, folder)
    expected = common.onnxruntime_outputs(onnx_model, {"x": x})
    for got, wanted in zip(net.run([x]), expected, strict=True):
        assert got.shape == wanted.shape, (got.shape, wanted.shape)
        if wanted.dtype.kind in "OU":
            assert got.tolist() == wanted.tolist()
        else:
            np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-4)


def all_checks():
    if MISSING:
        print(f"skipped: {', '.join(MISSING)} not there")
        return {}
    from sklearn.datasets import load_diabetes, load_iris, load_wine

    checks = {}
    iris, wine, diabetes = load_iris(), load_wine(), load_diabetes()

    def add(name, estimator, data, target):
        x = data.astype(np.float32)
        name = f"{name}_{type(estimator).__name__}_{len(checks)}"
        checks[name] = lambda folder: compare(estimator.fit(x, target), x[::4][:ROWS], folder)

    for estimator in classifiers():
        add("iris", estimator, iris.data, np.array(iris.target_names)[iris.target])
    for estimator in classifiers():
        two = wine.target < 2
        add("wine", estimator, (wine.data / wine.data.std(0))[two], wine.target[two])
    for estimator in regressors():
        add("diabetes", estimator, diabetes.data * 10, diabetes.target / 100)
    for estimator in transformers():
        add("iris", estimator, iris.data, None)
    return checks


if __name__ == "__main__":
    common.run_named(all_checks())
