"""All probes, in the order in which they are asked."""

from anthropic_proxy.doctor.other_probes import IMAGE_PROBES, LIMIT_PROBES, REASONING_PROBES
from anthropic_proxy.doctor.probe import Probe
from anthropic_proxy.doctor.text_probes import TEXT_PROBES
from anthropic_proxy.doctor.tool_probes import TOOL_PROBES

_PLAIN, _STREAMING, _USAGE, *_REST = TEXT_PROBES

PROBES: tuple[Probe, ...] = (
    *(_PLAIN, _STREAMING, _USAGE),
    *TOOL_PROBES,
    *IMAGE_PROBES,
    *REASONING_PROBES,
    *_REST,
    *LIMIT_PROBES,
)
