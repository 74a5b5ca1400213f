"""dependency-injector without the web frameworks it looks for: the one home of that library."""

from __future__ import annotations

from host.kernel.without import without

with without("fast_depends", "fastapi", "pydantic", "pydantic_settings", "starlette", "werkzeug", "yaml"):
    # It wants them for its decorators, which nobody uses here: 0.3 seconds and 25 MB.
    from dependency_injector import containers, providers

__all__ = ["containers", "providers"]
