"""A plan, carried out."""

from contextlib import AsyncExitStack

from anthropic_proxy.up.keeper import Keeper
from anthropic_proxy.up.plan import Plan
from anthropic_proxy.up.screen import Screen
from anthropic_proxy.up.supervisor import Ready, Supervisor


async def run(
    plan: Plan,
    screen: Screen,
    ready: Ready,
    patience: float,
    *,
    held: bool = False,
    progress: Screen | None = None,
) -> None:
    """Runs what the plan says until a signal comes or `ready` returns. Raises CannotStart.

    `held`: the lines that LiteLLM writes before it answers are shown only if it fails. `progress`: where the wait
    for the servers is shown, if not where their lines are.
    """
    keepers = [
        Keeper(service, screen, patience=patience, held=held and service.name == "litellm") for service in plan.services
    ]
    async with AsyncExitStack() as beside:
        if plan.demo is not None:
            # Here and not above: its web server takes a while to import, and most have no use for it.
            from anthropic_proxy.demo.server import serve_demo

            await beside.enter_async_context(serve_demo(bound=plan.demo))
        await Supervisor(keepers, plan.sockets, progress or screen).run(ready)
