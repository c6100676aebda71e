"""The sink: its arguments, and what happens while it is open for a run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from mockdata.errors import PlanError
from mockdata.render.batch import Batch
from mockdata.sinks.base import Run, Session, VaultRun
from mockdata.sinks.skyflow.answers import Retries
from mockdata.sinks.skyflow.bearer import Bearer, TokenSource, found_token
from mockdata.sinks.skyflow.body import Bodies, Fields
from mockdata.sinks.skyflow.delivery import Deliveries, Errors, Route
from mockdata.sinks.skyflow.errorlog import ErrorLog
from mockdata.sinks.skyflow.settings import (
    VaultTarget,
    checked_batch_size,
    checked_byot,
    checked_count,
    checked_seconds,
    checked_targets,
    checked_timeout,
    checked_upsert,
    checked_url,
    read_config,
)
from mockdata.sinks.skyflow.tally import Tally

if TYPE_CHECKING:
    from mockdata.sinks.skyflow.client import Client

__all__ = ["SkyflowSink"]


class SkyflowSink:
    """Posts records to Skyflow vaults, with the same requests as ``skyflow-loader``.

    Args:
        vault_url: ``https://...``, or ``http://`` for a server on this machine.
        vaults: Name of a vault or table to its vault id, or to a ``VaultTarget`` if the column has
            another name.
        token: The bearer token, or a plain or async callable that returns one. The callable is
            called again when the token has expired. None means the environment variable
            SKYFLOW_BEARER_TOKEN, or what you type at the terminal.
        batch_size: Records in a request, at most 10,000. Only a vault's last request is smaller,
            unless the run has a rate.
        concurrency: How many requests of a vault run at a time.
        byot: ENABLE; ENABLE_STRICT, which wants a token for every field; or DISABLE, which sends
            values without tokens.
        upsert: The column that finds existing records to update. True means the column that is
            sent, and works with vaults only.
        pause: Seconds to wait before each request.
        tries: How often a request is tried at most.
        retry_seconds: For how long a request is tried at most. The first try always gets
            ``answer_timeout``.
        backoff: The most seconds between the first two tries. Each further wait may be twice as
            long, up to 30 seconds.
        connect_timeout: Seconds to wait for a connection, at most half of ``answer_timeout``.
        answer_timeout: Seconds to wait for an answer, including the time to connect.
        grace: Seconds that requests in flight get if the run ends early.
        log_folder: Where to write error logs.

    Raises PlanError for a wrong argument, and if the HTTP client is not installed. A run raises
    PlanError if one of its vaults has no id, if a table does not fit, or if error logs could not be
    written. It raises DeliveryError if the vault cannot be reached, is not trusted or refuses the
    token, or if the callable returns no token, and OSError if an error log cannot be written. Other
    failures do not end the run: ``Report.delivery`` counts them.

    """

    def __init__(
        self,
        vault_url: str,
        vaults: Mapping[str, str | VaultTarget],
        *,
        token: TokenSource | None = None,
        batch_size: int = 300,
        concurrency: int = 32,
        byot: str = "ENABLE",
        upsert: bool | str | None = None,
        pause: float = 0.0,
        tries: int = 8,
        retry_seconds: float = 120.0,
        backoff: float = 1.0,
        connect_timeout: float = 10.0,
        answer_timeout: float = 30.0,
        grace: float = 2.0,
        log_folder: str | os.PathLike[str] = ".",
    ) -> None:
        checked_batch_size("batch_size", batch_size)
        for name, count in (("concurrency", concurrency), ("tries", tries)):
            checked_count(name, count)
        for name, seconds in (
            ("pause", pause),
            ("retry_seconds", retry_seconds),
            ("backoff", backoff),
            ("grace", grace),
        ):
            checked_seconds(name, seconds)
        checked_timeout("connect_timeout", connect_timeout)
        checked_timeout("answer_timeout", answer_timeout)
        client = _client_class()
        self._url = checked_url(vault_url)
        self._targets = checked_targets(vaults)
        self._batch_size, self._concurrency = batch_size, concurrency
        self._byot = checked_byot("byot", byot)
        self._upsert = checked_upsert("upsert", upsert)
        self._pause, self._grace = pause, grace
        self._retries = Retries(tries, retry_seconds, backoff)
        # so that an answer that is late is told from a connection that is
        connect_timeout = min(connect_timeout, answer_timeout / 2)
        self._new_client = partial(client, self._url, connect_timeout)
        self._answer_timeout = answer_timeout
        self._log_folder = os.fspath(log_folder)
        self._source = found_token(token)

    @classmethod
    def from_config(
        cls,
        path: str | os.PathLike[str] = "config.json",
        *,
        token: TokenSource | None = None,
        **options: Any,
    ) -> Self:
        """Sends records to Skyflow vaults, with the loader's settings file.

        Options that you give override the file. Raises OSError if the file cannot be read, and
        PlanError if it is not a settings file of the loader.
        """  # noqa: D401, the list of sinks shows the first line
        _client_class()  # before a token is asked for
        config = read_config(path)
        token = found_token(token, config.bearer_token)
        return cls(config.vault_url, config.vaults, token=token, **(config.options | options))

    @asynccontextmanager
    async def open(self, run: Run) -> AsyncIterator[Session]:
        """Yield a session; the writer that takes a vault's last batch waits for its last answer.

        Raises PlanError if a vault or table of the run has no id, if a table does not fit ``byot``
        or ``upsert``, or if no error log could be written.
        """
        self._check(run)
        layouts = {vault.name: self._fields(vault).layout() for vault in run.vaults}
        tally, errors = Tally(run), Errors()
        client, bearer = self._new_client(), Bearer(self._source)
        loads = {
            vault.name: self._load(vault, client, bearer, tally, errors) for vault in run.vaults
        }

        async def write(batch: Batch) -> None:
            await loads[batch.vault].write(batch)

        def close_logs() -> None:
            for load in loads.values():
                load.close_log()
            errors.raise_waiting()

        try:
            yield Session(
                write=write,
                layouts=layouts,
                batch_size=self._batch_size,
                commit=close_logs,
                delivery=tally.delivery,
                grace=self._grace,
            )
        finally:
            await asyncio.gather(*(load.deliveries.stop(self._grace) for load in loads.values()))
            await client.close()
            close_logs()

    def _check(self, run: Run) -> None:
        for vault in run.vaults:
            if vault.name not in self._targets:
                known = " ".join(f"{name}=COUNT" for name in self._targets)
                raise PlanError("vaults", f"{vault.name!r} has no vault id; use {known}")
            if vault.is_table:
                self._check_table(vault)
        if not os.path.isdir(self._log_folder) or not os.access(
            self._log_folder, os.W_OK | os.X_OK
        ):
            raise PlanError(
                "log_folder", f"{self._log_folder!r} is not a folder that you can write to"
            )

    def _check_table(self, vault: VaultRun) -> None:
        """Raise PlanError if a record of the table is none that the vault can take."""
        fields = self._fields(vault)
        if self._upsert is True:
            problem = f"{vault.name} is a table: name the column that finds existing records"
            raise PlanError("upsert", problem)
        if self._upsert and self._upsert not in fields.values:
            known = ", ".join(fields.values)
            raise PlanError("upsert", f"{vault.name} has no field {self._upsert!r}; it has {known}")
        if self._byot == "ENABLE_STRICT" and (bare := [*fields.values.keys() - fields.tokens]):
            column = min(bare)
            problem = (
                f"ENABLE_STRICT needs a token for every field; {vault.name} has no {column}_token"
            )
            raise PlanError("byot", problem)

    def _fields(self, vault: VaultRun) -> Fields:
        """Return what a record of a vault or table consists of."""
        if vault.is_table:
            return Fields.of_table(vault.columns)
        return Fields.of_vault(self._targets[vault.name].column)

    def _load(
        self, vault: VaultRun, client: Client, bearer: Bearer, tally: Tally, errors: Errors
    ) -> _Load:
        target = self._targets[vault.name]
        route = Route(
            target.url(self._url),
            client,
            bearer,
            self._retries,
            self._pause,
            self._answer_timeout,
            self._byot != "DISABLE",
            tally,
            tally.accounts[vault.name],
            ErrorLog(self._log_folder, target, is_table=vault.is_table),
            errors,
        )
        bodies = Bodies(self._batch_size, vault.stop, self._ending(target))
        return _Load(vault.stop, bodies, route, Deliveries(route, self._concurrency))

    def _ending(self, target: VaultTarget) -> dict[str, Any]:
        ending: dict[str, Any] = {
            "continueOnError": True,
            "tokenization": True,
            "byot": self._byot,
        }
        if self._upsert:
            ending["upsert"] = target.column if self._upsert is True else self._upsert
        return ending


@dataclass(frozen=True, slots=True)
class _Load:
    """One vault's way through a run: batches to bodies, bodies to requests."""

    stop: int
    bodies: Bodies
    route: Route
    deliveries: Deliveries

    async def write(self, batch: Batch) -> None:
        """Send a batch; with the last one, wait for every answer."""
        for body in self.bodies.take(batch):
            await self.deliveries.send(body)
        if batch.start + len(batch) == self.stop:
            await self.deliveries.finish()

    def close_log(self) -> None:
        try:
            self.route.log.close()
        except OSError as error:
            self.route.errors.add(error)


def _client_class() -> type[Client]:
    """Return the HTTP client, imported when it is used. Raises PlanError if it is not installed."""
    from mockdata.sinks.skyflow.client import Client

    return Client
