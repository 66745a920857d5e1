"""The model map: which names of models go where, as a settings file says it. Text in, a ModelMap out."""

from anthropic_proxy.model_map.document import FileError
from anthropic_proxy.model_map.map import ANY, NO_MAP, Found, LongContext, ModelMap, Rule, Target
from anthropic_proxy.model_map.read import Read, read

__all__ = ["ANY", "NO_MAP", "FileError", "Found", "LongContext", "ModelMap", "Read", "Rule", "Target", "read"]
