"""The gate in front of the store: passes, records, holds and checks every request of a pod."""

from __future__ import annotations

import asyncio

from aiohttp import web

from chaosml.services import canary
from chaosml.services.exchange import Exchange
from chaosml.services.execution import Stage
from chaosml.services.refusal import Refusal
from chaosml.services.store import Store

__all__ = ["Gate"]


class Gate:
    """A streaming reverse proxy that speaks S3, path-style."""

    def __init__(self, stage: Stage, store: Store, *, strict: bool) -> None:
        """Put the gate in front of `store`.

        Args:
            stage: Says which execution is going on.
            store: Where requests go.
            strict: Whether the store is the embedded one, for which the gate must check and
                refuse what a real S3 would.
        """
        self._stage = stage
        self._store = store
        self._strict = strict

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        if request.path == canary.GATE_PATH:
            return await canary.answer_http(request)
        execution = self._stage.execution
        if execution is None:
            # What nobody records must not change what is stored.
            return self._refuse_outside(request)
        task = asyncio.current_task()
        assert task is not None
        execution.requests.add(task)
        try:
            exchange = Exchange(request, execution, self._store, strict=self._strict)
            return await exchange.run()
        finally:
            execution.requests.discard(task)

    @staticmethod
    def _refuse_outside(request: web.BaseRequest) -> web.StreamResponse:
        refusal = Refusal(503, "ServiceUnavailable", "No execution is going on at this gate.")
        response = web.Response(
            status=503, body=refusal.render(request.path), content_type="application/xml"
        )
        response.force_close()
        return response
