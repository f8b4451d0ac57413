# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""libcay through ctypes: the parts of wasm.h and cay.h that the package uses, with the types of their headers.

The library is the one beside this file, as a wheel has it, else the one that CAY_LIBRARY names, else the system's."""
import ctypes
import ctypes.util
import os
from ctypes import POINTER, c_bool, c_char_p, c_double, c_float, c_int, c_int32, c_int64, c_size_t, c_uint8, c_uint32, \
    c_uint64, c_void_p

I32, I64, F32, F64, EXTERNREF, FUNCREF, V128, REF = 0, 1, 2, 3, 128, 129, 64, 192
KIND_NAMES = {I32: "i32", I64: "i64", F32: "f32", F64: "f64", EXTERNREF: "externref", FUNCREF: "funcref", V128: "v128",
              REF: "ref"}
FUNC, GLOBAL, TABLE, MEMORY, TAG = 0, 1, 2, 3, 64
LIMITS_MAX_DEFAULT = 0xFFFFFFFF
LIMIT_MEMORY, LIMIT_FUEL = 1, 9


class Bytes(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("data", c_void_p)]

    def text(self):
        return ctypes.string_at(self.data, self.size) if self.size else b""


class Pointers(ctypes.Structure):
    """A vector of pointers, whatever they point to."""
    _fields_ = [("size", c_size_t), ("data", POINTER(c_void_p))]


class _Of(ctypes.Union):
    _fields_ = [("i32", c_int32), ("i64", c_int64), ("f32", c_float), ("f64", c_double), ("ref", c_void_p)]


class Value(ctypes.Structure):
    _fields_ = [("kind", c_uint8), ("of", _Of)]


class Values(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("data", POINTER(Value))]


class Limits(ctypes.Structure):
    _fields_ = [("min", c_uint32), ("max", c_uint32)]


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("offset", c_uint64), ("text", ctypes.c_char * 512)]


Callback = ctypes.CFUNCTYPE(c_void_p, c_void_p, POINTER(Values), POINTER(Values))
Finalizer = ctypes.CFUNCTYPE(None, c_void_p)

# name: (result, arguments)
_FUNCTIONS = {
    "cay_version": (c_char_p, ()),
    "cay_status_name": (c_char_p, (c_int,)),
    "cay_engine_config_set_tier": (c_int, (c_void_p, c_char_p, POINTER(Error))),
    "cay_engine_config_set_cache": (c_int, (c_void_p, c_char_p, c_uint64, POINTER(Error))),
    "cay_engine_config_set_proposals": (c_int, (c_void_p, c_char_p, POINTER(Error))),
    "cay_engine_config_set_stack_bytes": (None, (c_void_p, c_size_t)),
    "cay_engine_config_set_fuel": (None, (c_void_p, c_bool)),
    "cay_budget_new": (c_int, (c_void_p, POINTER(c_void_p), POINTER(Error))),
    "cay_budget_release": (None, (c_void_p,)),
    "cay_budget_set_limit": (c_int, (c_void_p, c_int, c_uint64, POINTER(Error))),
    "cay_budget_used": (c_uint64, (c_void_p, c_int)),
    "cay_set_helper_folder": (None, (c_char_p,)),
    "cay_wasm_config": (c_void_p, (c_void_p,)),
    "cay_wasm_engine_new": (c_int, (c_void_p, POINTER(c_void_p), POINTER(Error))),
    "cay_wasm_store_new": (c_int, (c_void_p, c_void_p, POINTER(c_void_p), POINTER(Error))),
    "cay_wasm_store_error": (POINTER(Error), (c_void_p,)),
    "cay_wasm_store_interrupt": (None, (c_void_p,)),
    "cay_wasm_store_clear_interrupt": (None, (c_void_p,)),
    "wasm_config_new": (c_void_p, ()),
    "wasm_config_delete": (None, (c_void_p,)),
    "wasm_engine_delete": (None, (c_void_p,)),
    "wasm_store_delete": (None, (c_void_p,)),
    "wasm_module_new": (c_void_p, (c_void_p, POINTER(Bytes))),
    "wasm_module_delete": (None, (c_void_p,)),
    "wasm_module_share": (c_void_p, (c_void_p,)),
    "wasm_module_obtain": (c_void_p, (c_void_p, c_void_p)),
    "wasm_shared_module_delete": (None, (c_void_p,)),
    "wasm_module_imports": (None, (c_void_p, POINTER(Pointers))),
    "wasm_module_exports": (None, (c_void_p, POINTER(Pointers))),
    "wasm_importtype_module": (POINTER(Bytes), (c_void_p,)),
    "wasm_importtype_name": (POINTER(Bytes), (c_void_p,)),
    "wasm_importtype_type": (c_void_p, (c_void_p,)),
    "wasm_importtype_vec_delete": (None, (POINTER(Pointers),)),
    "wasm_exporttype_name": (POINTER(Bytes), (c_void_p,)),
    "wasm_exporttype_type": (c_void_p, (c_void_p,)),
    "wasm_exporttype_vec_delete": (None, (POINTER(Pointers),)),
    "wasm_externtype_kind": (c_uint8, (c_void_p,)),
    "wasm_externtype_as_functype_const": (c_void_p, (c_void_p,)),
    "wasm_functype_new": (c_void_p, (POINTER(Pointers), POINTER(Pointers))),
    "wasm_functype_delete": (None, (c_void_p,)),
    "wasm_functype_params": (POINTER(Pointers), (c_void_p,)),
    "wasm_functype_results": (POINTER(Pointers), (c_void_p,)),
    "wasm_valtype_new": (c_void_p, (c_uint8,)),
    "wasm_valtype_kind": (c_uint8, (c_void_p,)),
    "wasm_valtype_vec_new": (None, (POINTER(Pointers), c_size_t, POINTER(c_void_p))),
    "wasm_globaltype_new": (c_void_p, (c_void_p, c_uint8)),
    "wasm_globaltype_content": (c_void_p, (c_void_p,)),
    "wasm_globaltype_mutability": (c_uint8, (c_void_p,)),
    "wasm_globaltype_delete": (None, (c_void_p,)),
    "wasm_memorytype_new": (c_void_p, (POINTER(Limits),)),
    "wasm_memorytype_delete": (None, (c_void_p,)),
    "wasm_tabletype_new": (c_void_p, (c_void_p, POINTER(Limits))),
    "wasm_tabletype_delete": (None, (c_void_p,)),
    "wasm_ref_copy": (c_void_p, (c_void_p,)),
    "wasm_ref_delete": (None, (c_void_p,)),
    "wasm_ref_same": (c_bool, (c_void_p, c_void_p)),
    "wasm_ref_as_func": (c_void_p, (c_void_p,)),
    "wasm_ref_as_foreign": (c_void_p, (c_void_p,)),
    "wasm_ref_get_host_info": (c_void_p, (c_void_p,)),
    "wasm_foreign_new": (c_void_p, (c_void_p,)),
    "wasm_foreign_set_host_info_with_finalizer": (None, (c_void_p, c_void_p, Finalizer)),
    "wasm_trap_new": (c_void_p, (c_void_p, POINTER(Bytes))),
    "wasm_trap_delete": (None, (c_void_p,)),
    "wasm_trap_message": (None, (c_void_p, POINTER(Bytes))),
    "wasm_trap_trace": (None, (c_void_p, POINTER(Pointers))),
    "wasm_byte_vec_delete": (None, (POINTER(Bytes),)),
    "wasm_frame_vec_delete": (None, (POINTER(Pointers),)),
    "wasm_frame_func_index": (c_uint32, (c_void_p,)),
    "wasm_frame_func_offset": (c_size_t, (c_void_p,)),
    "wasm_frame_module_offset": (c_size_t, (c_void_p,)),
    "wasm_func_new_with_env": (c_void_p, (c_void_p, c_void_p, Callback, c_void_p, c_void_p)),
    "wasm_func_type": (c_void_p, (c_void_p,)),
    "wasm_func_call": (c_void_p, (c_void_p, POINTER(Values), POINTER(Values))),
    "wasm_global_new": (c_void_p, (c_void_p, c_void_p, POINTER(Value))),
    "wasm_global_type": (c_void_p, (c_void_p,)),
    "wasm_global_get": (None, (c_void_p, POINTER(Value))),
    "wasm_global_set": (None, (c_void_p, POINTER(Value))),
    "wasm_table_new": (c_void_p, (c_void_p, c_void_p, c_void_p)),
    "wasm_table_get": (c_void_p, (c_void_p, c_uint32)),
    "wasm_table_set": (c_bool, (c_void_p, c_uint32, c_void_p)),
    "wasm_table_size": (c_uint32, (c_void_p,)),
    "wasm_table_grow": (c_bool, (c_void_p, c_uint32, c_void_p)),
    "wasm_memory_new": (c_void_p, (c_void_p, c_void_p)),
    "wasm_memory_data": (c_void_p, (c_void_p,)),
    "wasm_memory_data_size": (c_size_t, (c_void_p,)),
    "wasm_memory_size": (c_uint32, (c_void_p,)),
    "wasm_memory_grow": (c_bool, (c_void_p, c_uint32)),
    "wasm_extern_kind": (c_uint8, (c_void_p,)),
    "wasm_extern_copy": (c_void_p, (c_void_p,)),
    "wasm_extern_delete": (None, (c_void_p,)),
    "wasm_instance_new": (c_void_p, (c_void_p, c_void_p, POINTER(Pointers), POINTER(c_void_p))),
    "wasm_instance_delete": (None, (c_void_p,)),
    "wasm_instance_exports": (None, (c_void_p, POINTER(Pointers))),
    "wasm_extern_vec_delete": (None, (POINTER(Pointers),)),
}


def _find():
    beside = os.path.join(os.path.dirname(__file__), "libcay.so")
    if os.path.exists(beside):
        return beside
    return os.environ.get("CAY_LIBRARY") or ctypes.util.find_library("cay") or "libcay.so.0"


lib = ctypes.CDLL(_find())
for _name, (_result, _arguments) in _FUNCTIONS.items():
    _function = getattr(lib, _name)
    _function.restype = _result
    _function.argtypes = _arguments
