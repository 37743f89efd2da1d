"""Vectors in memory: loads and stores at an element of an array, addresses, and arrays over addresses.

Nothing is checked: an index is that of an element that is there, with the lanes after it.

Lists of whole numbers, such as a kernel's table, are ``Words``: a type of their own costs Numba a fraction of an array,
and kernels read them everywhere.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir

from .emit import Emit, Value
from .numba_api import cgutils, extending, models, templates, types
from .types import NumbaType, Vector, is_number, only_compiled, typed, vector


def load(array: Any, index: Any) -> Any:
    """The vector of the element at ``index`` (an integer, or a tuple of them) and those after it in the last axis."""
    return only_compiled("load")


def store(array: Any, index: Any, v: Any) -> None:
    """Write a vector (or a number, to every lane) to the element at ``index`` and those after it in the last axis."""
    only_compiled("store")


def load_first(array: Any, index: Any, n: int) -> Any:
    """``load`` of the first n lanes; the others are 0, and what is in memory there is not touched."""
    return only_compiled("load_first")


def store_first(array: Any, index: Any, v: Any, n: int) -> None:
    """``store`` of the first n lanes; what is in memory for the others is not touched."""
    only_compiled("store_first")


def address(array: Any, index: Any) -> int:
    """The address (int64) of the element at ``index``."""
    found: int = only_compiled("address")
    return found


def view(address: int, shape: Any, dtype: Any) -> Any:
    """A C-contiguous array over memory that others own; ``dtype`` is a class of numbers, such as numpy.float32.

    With one axis of int64 it is no array but ``Words``: to be read and written at an index, and nothing else.
    """
    return only_compiled("view")


# ---- types -----------------------------------------------------------------------------------------
class Words(types.Type):  # type: ignore[misc]
    """Whole numbers of 64 bits, one after another in memory that others own."""

    def __init__(self) -> None:
        super().__init__(name="Words")


WORDS = Words()


@extending.register_model(Words)
class _WordsModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Words) -> None:
        super().__init__(manager, kind, ir.IntType(64).as_pointer())


def _index_type(array: NumbaType, index: NumbaType) -> NumbaType:
    """A tuple of int64 for each axis of the array, or None where it is no such index."""
    if not isinstance(array, types.Array | Words):
        return None
    axes = 1 if isinstance(array, Words) else array.ndim
    if isinstance(index, types.Integer):
        return types.int64 if axes == 1 else None
    if not isinstance(index, types.BaseTuple) or len(index) != axes:
        return None
    return types.UniTuple(types.int64, axes) if all(isinstance(i, types.Integer) for i in index) else None


def _at_type(array: NumbaType, index: NumbaType) -> tuple[Vector, Any] | None:
    at = _index_type(array, index)
    if at is None or isinstance(array, Words) or array.layout == "F":
        return None
    if array.dtype not in (types.float32, types.float64):
        return None
    return vector(array.dtype), at


def _load_type(array: NumbaType, index: NumbaType, *n: NumbaType) -> Any:
    found = _at_type(array, index)
    return templates.signature(found[0], array, found[1], *[types.int64] * len(n)) if found else None


def _store_type(array: NumbaType, index: NumbaType, v: NumbaType, *n: NumbaType) -> Any:
    found = _at_type(array, index)
    if not found or not (v == found[0] or is_number(v)):
        return None
    return templates.signature(types.none, array, found[1], found[0], *[types.int64] * len(n))


def _address_type(array: NumbaType, index: NumbaType) -> Any:
    at = _index_type(array, index)
    return None if at is None else templates.signature(types.int64, array, at)


def _view_type(address: NumbaType, shape: NumbaType, dtype: NumbaType) -> Any:
    if not isinstance(address, types.Integer) or not isinstance(dtype, types.NumberClass):
        return None
    if isinstance(shape, types.Integer):
        axes = 1
    elif isinstance(shape, types.BaseTuple) and all(isinstance(n, types.Integer) for n in shape):
        axes = len(shape)
    else:
        return None
    sizes = types.UniTuple(types.int64, axes) if isinstance(shape, types.BaseTuple) else types.int64
    number = dtype.instance_type
    made = WORDS if axes == 1 and number == types.int64 else types.Array(number, axes, "C")
    return templates.signature(made, types.int64, sizes, dtype)


def _getitem_type(words: NumbaType, index: NumbaType) -> Any:
    found = isinstance(words, Words) and isinstance(index, types.Integer)
    return templates.signature(types.int64, words, types.int64) if found else None


def _setitem_type(words: NumbaType, index: NumbaType, value: NumbaType) -> Any:
    found = isinstance(words, Words) and isinstance(index, types.Integer) and isinstance(value, types.Integer)
    return templates.signature(types.none, words, types.int64, types.int64) if found else None


# ---- instructions ----------------------------------------------------------------------------------
def _pointer(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    """To the element that the first two arguments name."""
    array, at = sig.args[:2]
    index = cgutils.unpack_tuple(builder, args[1], len(at)) if isinstance(at, types.BaseTuple) else [args[1]]
    if isinstance(array, Words):
        return builder.gep(args[0], index)
    # taken out of the value: a copy of the array in memory, as Numba makes to read it, is a third of all compilation
    model = context.data_model_manager[array]
    data, shape, strides = (model.get(builder, args[0], name) for name in ("data", "shape", "strides"))
    shape, strides = (cgutils.unpack_tuple(builder, sizes, array.ndim) for sizes in (shape, strides))
    return cgutils.get_item_pointer2(
        context, builder, data, shape, strides, array.layout, index, wraparound=False, boundscheck=False
    )


def _load(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    kind = sig.return_type
    e = Emit(builder, kind.dtype, kind.lanes)
    at = _pointer(context, builder, sig, args)
    if len(args) == 3:
        return e.masked_load(at, e.first(args[2]))
    found = builder.load(builder.bitcast(at, e.vector.as_pointer()))
    found.align = e.bits // 8
    return found


def _store(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    kind = sig.args[2]
    e = Emit(builder, kind.dtype, kind.lanes)
    at = _pointer(context, builder, sig, args)
    if len(args) == 4:
        e.masked_store(args[2], at, e.first(args[3]))
    else:
        builder.store(args[2], builder.bitcast(at, e.vector.as_pointer())).align = e.bits // 8
    return context.get_dummy_value()


def _address(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    return builder.ptrtoint(_pointer(context, builder, sig, args), ir.IntType(64))


def _view(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    array, shape = sig.return_type, sig.args[1]
    if isinstance(array, Words):
        return builder.inttoptr(args[0], ir.IntType(64).as_pointer())
    sizes = cgutils.unpack_tuple(builder, args[1], array.ndim) if isinstance(shape, types.BaseTuple) else [args[1]]
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
    strides = [size]
    for n in reversed(sizes[1:]):
        strides.insert(0, builder.mul(strides[0], n))
    count = sizes[0]
    for n in sizes[1:]:
        count = builder.mul(count, n)
    model = context.data_model_manager[array]
    made = ir.Constant(model.get_value_type(), None)  # nobody owns it: no meminfo, no parent
    for name, value in {
        "nitems": count,
        "itemsize": size,
        "data": builder.inttoptr(args[0], context.get_data_type(array.dtype).as_pointer()),
        "shape": cgutils.pack_array(builder, sizes, context.get_value_type(types.intp)),
        "strides": cgutils.pack_array(builder, strides, context.get_value_type(types.intp)),
    }.items():
        made = model.set(builder, made, value, name)
    return made


def _getitem(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    return builder.load(_pointer(context, builder, sig, args))


def _setitem(context: Any, builder: Any, sig: Any, args: Any) -> Value:
    builder.store(args[2], _pointer(context, builder, sig, args))
    return context.get_dummy_value()


typed(load, lambda array, index: _load_type(array, index))
typed(load_first, lambda array, index, n: _load_type(array, index, n))
typed(store, lambda array, index, v: _store_type(array, index, v))
typed(store_first, lambda array, index, v, n: _store_type(array, index, v, n))
typed(address, _address_type)
typed(view, _view_type)
# tried before those of any target: there are dozens
typed(operator.getitem, _getitem_type, metadata={"target": "cpu"})
typed(operator.setitem, _setitem_type, metadata={"target": "cpu"})
extending.lower_builtin(load, types.Array, types.Any)(_load)
extending.lower_builtin(load_first, types.Array, types.Any, types.Integer)(_load)
extending.lower_builtin(store, types.Array, types.Any, Vector)(_store)
extending.lower_builtin(store_first, types.Array, types.Any, Vector, types.Integer)(_store)
extending.lower_builtin(address, types.Array, types.Any)(_address)
extending.lower_builtin(address, Words, types.Any)(_address)
extending.lower_builtin(operator.getitem, Words, types.Integer)(_getitem)
extending.lower_builtin(operator.setitem, Words, types.Integer, types.Integer)(_setitem)
extending.lower_builtin(view, types.Integer, types.Any, types.Any)(_view)
