"""The process's tracer provider. OpenTelemetry lets it be set once; hosts of one process come and go."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

from host.errors import ProviderStartError


class SwitchedTracerProvider(trace.TracerProvider):
    """Gives tracers that record wherever ``target`` does at the time, and nowhere while there is none."""

    def __init__(self) -> None:
        self.target: trace.TracerProvider | None = None

    def get_tracer(self, *args: Any, **kwargs: Any) -> trace.Tracer:
        """Give a tracer that may be kept for good."""
        return _SwitchedTracer(self, args, kwargs)


class _SwitchedTracer(trace.Tracer):
    def __init__(self, switch: SwitchedTracerProvider, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._switch, self._args, self._kwargs = switch, args, kwargs
        self._made_by: trace.TracerProvider | None = None
        self._tracer: trace.Tracer = trace.NoOpTracer()

    def start_span(self, *args: Any, **kwargs: Any) -> trace.Span:
        return self._current().start_span(*args, **kwargs)

    def start_as_current_span(self, *args: Any, **kwargs: Any) -> Any:
        return self._current().start_as_current_span(*args, **kwargs)

    def _current(self) -> trace.Tracer:
        target = self._switch.target
        if target is not self._made_by:
            self._tracer = trace.NoOpTracer() if target is None else target.get_tracer(*self._args, **self._kwargs)
            self._made_by = target
        return self._tracer


def switch_on(target: trace.TracerProvider) -> SwitchedTracerProvider:
    """Let the process's tracers record by ``target``; give what switches it off again.

    Raises ProviderStartError if the program, or another host in it, has decided that already.
    """
    found = trace.get_tracer_provider()
    if isinstance(found, trace.ProxyTracerProvider):
        found = SwitchedTracerProvider()
        trace.set_tracer_provider(found)
    if not isinstance(found, SwitchedTracerProvider):
        hint = "leave OtlpExport out: runs are traced by the program's own set-up"
        raise ProviderStartError("the program that this host runs in has set up OpenTelemetry itself", hint=hint)
    if found.target is not None:
        raise ProviderStartError("another host of this process exports traces", hint="configure OtlpExport in one only")
    found.target = target
    return found
