"""Everything that knows Chat Completions, and nothing else does."""

from anthropic_proxy.translate.api import UpstreamApi
from anthropic_proxy.translate.chat.repairs import repair
from anthropic_proxy.translate.chat.request import translate

CHAT = UpstreamApi("chat", "/chat/completions", translate, repair)

__all__ = ["CHAT"]
