"""Records straight into Skyflow vaults, by the requests that ``skyflow-loader`` makes."""

from __future__ import annotations

from mockdata.sinks.skyflow.settings import VaultTarget
from mockdata.sinks.skyflow.sink import SkyflowSink

__all__ = ["SkyflowSink", "VaultTarget"]
