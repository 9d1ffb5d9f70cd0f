"""What FastAPI records of each request by itself, for exporters that the environment may name: nothing.

Paths and errors hold addresses; who runs Pillarbox finds what it tells at /metrics and in its log, and nowhere else.
"""

from typing import Final

from fastapi.telemetry import TelemetryConfig

NONE: Final[TelemetryConfig] = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
