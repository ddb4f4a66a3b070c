"""All generators, by operator, and what is left out with its reason."""

from . import elementwise, language, microsoft, movement, others, products, quantized, reductions, spatial, table, text, training  # noqa: F401 (they register themselves)
from .draw import GENERATORS  # noqa: F401

ROWS = table.read()

# Operators that nothing draws, and why. This list may only shrink.
LEFT_OUT = {
    "SimplifiedLayerNormalization": "onnxruntime's own name for RMSNormalization; in no table",
    "ai.onnx.ml.ZipMap": "its result is a sequence of maps",
    "com.microsoft.QLinearReduceMean": "onnxruntime describes it and has no kernel",
}
OTHER_TESTS = {  # script or module of tests/ that compares these, too: names of operators
    "random_sequences.py": """ConcatFromSequence Optional OptionalGetElement OptionalHasElement SequenceAt SequenceConstruct SequenceEmpty SequenceErase
        SequenceInsert SequenceLength SequenceMap SplitToSequence ai.onnx.ml.CastMap ai.onnx.ml.DictVectorizer""",
    "strings.py": "RegexFullMatch StringConcat StringNormalizer StringSplit TfIdfVectorizer ai.onnx.ml.CategoryMapper",
    "gradients.py": "ai.onnx.preview.training.Gradient",
    "svm.py": "ai.onnx.ml.SVMClassifier ai.onnx.ml.SVMRegressor",
    "gradients.py": "ai.onnx.preview.training.Gradient",
    "node_suite.py": "ai.onnx.preview.FlexAttention",
}
LEFT_OUT |= {name: f"not drawn yet; tests/{script}" for script, names in OTHER_TESTS.items() for name in names.split() if name not in GENERATORS}
