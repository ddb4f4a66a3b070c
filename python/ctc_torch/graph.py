"""Walks the torch.fx graph of a module, with example inputs, and writes the nodes of a model file for it."""

import contextlib
import dis
import inspect

import torch
from torch import fx, nn
from torch.fx.node import map_aggregate, map_arg

from . import layers
from .functions import FUNCTIONS
from .layers import ExportError
from .values import Model, Ref, Size, is_known

# The order in which the file has the inputs of a layer, where it is not that of forward's arguments.
INPUT_ORDER = {nn.MultiheadAttention: ("query", "key", "value", "attn_mask", "key_padding_mask")}
# Arguments of forward that the file has as fields; those that only say how many outputs there are.
CALL_FIELDS, COUNTS = {"average_attn_weights"}, {"need_weights"}


class Unpacked:
    """`n, c, h, w = x.shape`: as many parts as the caller's bytecode takes. (PyTorch's own way does so up to Python 3.10.)"""

    def __iter__(self):
        frame = inspect.currentframe().f_back
        for instruction in dis.get_instructions(frame.f_code):
            if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
                return (self[i] for i in range(instruction.argval))
        return super().__iter__()


class Proxy(Unpacked, fx.Proxy):
    def __getattr__(self, name):
        return Attribute(self, name)


class Attribute(Unpacked, fx.proxy.Attribute):
    pass


class Tracer(fx.Tracer):
    """Follows the calls of all modules that are no layers of their own; nodes know the module that made them."""

    proxy_buffer_attributes = True

    def __init__(self, arguments):
        super().__init__()
        self._arguments, self.module_path = arguments, ""

    def is_leaf_module(self, module, path):
        return layers.layer_of(module) is not None

    def create_args_for_root(self, root_fn, is_module, concrete_args=None):
        """Only the arguments that there are examples of; the others keep their defaults."""
        return root_fn, [self.root] + [self.create_proxy("placeholder", name, (), {}) for name in self._arguments]

    def call_module(self, module, forward, args, kwargs):
        outer, self.module_path = self.module_path, self.path_of_module(module)
        if not self.is_leaf_module(module, self.module_path):
            with locating(self.module_path, module):
                layers.check_hooks(module)
        made = super().call_module(module, forward, args, kwargs)
        self.module_path = outer
        return made

    def proxy(self, node):
        return Proxy(node, self)

    def create_node(self, *args, **kwargs):
        node = super().create_node(*args, **kwargs)
        node.meta["module"] = self.module_path
        return node


class Alone(nn.Module):
    """A layer that is the whole model: a tracer does not look into what it calls, but into what it is given."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *args):
        return self.layer(*args)


def described(path, module):
    return f"module '{path}' ({layers.class_of(module).__name__})" if path else f"the module ({layers.class_of(module).__name__})"


@contextlib.contextmanager
def locating(path, module):
    """Errors inside become errors of that module."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, ExportError) else f"{type(error).__name__}: {error}"
        raise ExportError(f"{described(path, module)}: {reason}") from error


# Functions that make tensors of sizes, and do not notice that those are no numbers yet.
CREATORS = ("arange", "full", "ones", "zeros")


def noticing(function):
    """The function, which becomes a node of the graph if it is called with a value of the graph."""

    def call(*args, **kwargs):
        found = []
        map_aggregate((args, kwargs), lambda value: found.append(value) if isinstance(value, fx.Proxy) else None)
        if not found:
            return function(*args, **kwargs)
        return found[0].tracer.create_proxy("call_function", function, args, kwargs)

    return call


@contextlib.contextmanager
def creators_noticing():
    """torch.zeros and the like, as long as a forward is traced."""
    plain = {name: getattr(torch, name) for name in CREATORS}
    try:
        for name, function in plain.items():
            setattr(torch, name, noticing(function))
        yield
    finally:
        for name, function in plain.items():
            setattr(torch, name, function)


def trace(module, arguments):
    """The fx graph of a module's forward for these arguments."""
    tracer = Tracer(arguments)
    try:
        with creators_noticing():
            return tracer.trace(module)
    except ExportError:
        raise
    except Exception as error:
        path = tracer.module_path
        inner = module.get_submodule(path)
        raise ExportError(
            f"{described(path, inner)}: its forward cannot be traced (torch.fx): {error}\n"
            f"  What depends on values of tensors has no place in a graph; ctc_torch.register makes a layer of a whole module."
        ) from error


class Writer(fx.Interpreter):
    """Runs the graph on examples, which tells dtypes and ranks, and adds a node to the model for each step."""

    def __init__(self, module, graph, model, input_names, dynamic):
        super().__init__(fx.GraphModule(module, graph))
        self.root, self.model, self.dynamic = module, model, dynamic
        self.refs, self.problems, self._unknown = {}, [], set()
        self._input_names = iter(input_names)

    def run_node(self, node):
        versions = {other: value._version for other, value in self.env.items() if isinstance(value, torch.Tensor)}
        result = super().run_node(node)
        if not self._unknown.isdisjoint(node.all_input_nodes):  # whose error is reported already
            self._unknown.add(node)
            return result
        args, kwargs = map_arg((node.args, node.kwargs), lambda argument: self.refs[argument])
        try:
            self.refs[node] = getattr(self, node.op + "_ref")(node, args, kwargs, result)
            self._follow_writes(node, result, [other for other in versions if self.env[other]._version != versions[other]])
        except Exception as error:
            self._unknown.add(node)
            self._problem(node, error)
        return result

    def _follow_writes(self, node, result, written):
        """What a step has changed in place is its result from now on, for all who look at it."""
        for other in written:
            value = self.env[other]
            if not isinstance(result, torch.Tensor) or value.data_ptr() != result.data_ptr() or value.shape != result.shape or value.stride() != result.stride():
                raise ExportError(f"{node.name} writes into a part of a tensor that is used later, which has no counterpart")
            self.refs[other] = self.refs[node]

    def _problem(self, node, error):
        path = node.target if node.op == "call_module" else node.meta.get("module", "")
        reason = str(error) if isinstance(error, (ExportError, TypeError)) else f"{type(error).__name__}: {error}"
        self.problems.append(f"{described(path, self.root.get_submodule(path))}: {reason}")

    # --- one kind of step each; they return the Ref of the result, or a structure of them, or the result itself if it is constant ---

    def placeholder_ref(self, node, args, kwargs, result):
        return Ref.like(result, next(self._input_names))

    def get_attr_ref(self, node, args, kwargs, result):
        *path, name = node.target.split(".")
        owner = self.root.get_submodule(".".join(path))
        stored = self.model.weights.name_of(owner, name, result)
        return result if stored is None else Ref.like(result, self.model.parameter(stored))

    def call_module_ref(self, node, args, kwargs, result):
        module = self.root.get_submodule(node.target)
        if is_known(args) and is_known(kwargs):
            return result
        inputs, fields = bound_call(module, args, kwargs)
        name = self.model.unique(node.target)
        return self.model.add(layers.entry(module, name, self.model.weights) | fields, inputs, result)

    def call_function_ref(self, node, args, kwargs, result):
        if is_known(args) and is_known(kwargs):
            return result
        function = FUNCTIONS.get(node.target)
        if function is None:
            raise ExportError(f"calls {name_of(node.target)}, which has no counterpart")
        if kwargs.get("out", self) is None:
            kwargs = {name: value for name, value in kwargs.items() if name != "out"}
        self.model.begin(node.name, result, self.dynamic)
        return Ref.like(result, function(self.model, *args, **kwargs))

    call_method_ref = call_function_ref

    def output_ref(self, node, args, kwargs, result):
        return args[0]


def name_of(target):
    if isinstance(target, str):
        return f"Tensor.{target}"
    return f"{getattr(target, '__module__', None) or 'torch'}.{getattr(target, '__name__', target)}".replace("_operator.", "operator.")


def bound_call(module, args, kwargs):
    """(the tensors that a layer is called with, '' for one that is left out between others; fields by the call)"""
    signature = inspect.signature(module.forward)
    bound, fields = signature.bind(*args, **kwargs).arguments, {}
    for name, value in list(bound.items()):
        if name in COUNTS or not isinstance(value, torch.Tensor) and value == signature.parameters[name].default:
            del bound[name]
        elif name in CALL_FIELDS:
            fields[name] = bound.pop(name)
    inputs = []
    for name in INPUT_ORDER.get(layers.class_of(module), signature.parameters):
        inputs += input_values(name, bound.pop(name, None))
    if bound:
        raise ExportError(f"is called with {', '.join(bound)}, which has no counterpart")
    while inputs and isinstance(inputs[-1], str):
        inputs.pop()
    return inputs, fields


def input_values(argument, value):
    values = value if isinstance(value, (tuple, list)) else [value]
    if not all(each is None or isinstance(each, (Ref, torch.Tensor)) for each in values):
        raise ExportError(f"is called with {argument}={value}, which is no tensor")
    return ["" if each is None else each for each in values]


def flat(structure):
    """The Refs of a forward's result, in order."""
    if isinstance(structure, dict):
        structure = list(structure.values())
    if isinstance(structure, (tuple, list)):
        return [ref for each in structure for ref in flat(each)]
    return [] if structure is None else [structure]


def write(module, arguments, examples, input_names, output_names, dynamic, weights):
    """The Model of a module: its nodes and outputs. Raises an ExportError that says all that has no counterpart."""
    module = module if layers.layer_of(module) is None else Alone(module)
    before, model = set(vars(module)), Model(weights, input_names)
    try:
        graph = trace(module, arguments)
        writer = Writer(module, graph, model, input_names, dynamic)
        with torch.no_grad():
            writer.run(*examples)
    finally:
        for name in set(vars(module)) - before:  # constants that the tracer has put there
            delattr(module, name)
    if writer.problems:
        raise ExportError("\n".join(writer.problems))
    output = next(node for node in graph.nodes if node.op == "output")
    model.set_outputs(flat(writer.refs[output]), output_names)
    return model
