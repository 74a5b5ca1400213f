"""Traces of runs for OpenTelemetry collectors."""

from host_otel.export import OtlpExport

__all__ = ["OtlpExport"]
