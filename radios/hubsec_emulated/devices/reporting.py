"""Attribute reports: when a device tells what changed, and to whom (ZCL 2.5.7 and 2.5.11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hubsec_emulated.clock import Timer
from hubsec_emulated.devices.clusters import ServedCluster
from hubsec_emulated.wire.zcl import (
    Attribute,
    ConfigureReporting,
    ConfigureReportingResponse,
    ReportAttributes,
    ReportingConfiguration,
    ZclStatus,
)

NEVER = 0xFFFF
"""Maximum interval that ends the reports of an attribute; 0 as the maximum means on change only. ZCL 2.5.7.1.6."""
_REPORTED = 0


@dataclass(slots=True)
class _Configured:
    record: ReportingConfiguration
    last: float
    due: Timer | None = None


class Reporting:
    """The configured reports of one endpoint.

    `send(cluster, report)` sends to whoever is bound; `later` is the device's timer; `now` its clock.
    """

    def __init__(
        self,
        send: Callable[[int, ReportAttributes], None],
        later: Callable[[float, Callable[[], None]], Timer],
        now: Callable[[], float],
    ) -> None:
        self._send = send
        self._later = later
        self._now = now
        self._configured: dict[tuple[int, int], _Configured] = {}

    def forget(self) -> None:
        """Drop every configuration, as a factory reset does."""
        for configured in self._configured.values():
            _cancel(configured)
        self._configured.clear()

    def configure(self, cluster: ServedCluster, request: ConfigureReporting) -> ConfigureReportingResponse:
        """Take a Configure Reporting and answer it."""
        failures = []
        for record in request.records:
            slot = cluster.attributes.get(record.attribute)
            if record.timeout is not None:
                continue
            if slot is None:
                failures.append((ZclStatus.UNSUPPORTED_ATTRIBUTE, _REPORTED, record.attribute))
            elif slot.type != record.type:
                failures.append((ZclStatus.INVALID_DATA_TYPE, _REPORTED, record.attribute))
            else:
                self._take(cluster, record)
        return ConfigureReportingResponse(tuple(failures))

    def changed(self, cluster: ServedCluster, attribute: int) -> None:
        """An attribute changed: report it, not sooner than its minimum interval after the last report."""
        configured = self._configured.get((cluster.id, attribute))
        if configured is None:
            return
        wait = configured.last + configured.record.minimum - self._now()
        self._schedule(cluster, configured, max(wait, 0.0))

    def resume(self, clusters: dict[int, ServedCluster]) -> None:
        """The power is back: go on with the periodic reports."""
        for (cluster, _), configured in self._configured.items():
            self._schedule_periodic(clusters[cluster], configured)

    def _take(self, cluster: ServedCluster, record: ReportingConfiguration) -> None:
        old = self._configured.pop((cluster.id, record.attribute), None)
        if old is not None:
            _cancel(old)
        if record.maximum == NEVER:
            return
        configured = _Configured(record, self._now())
        self._configured[cluster.id, record.attribute] = configured
        self._schedule_periodic(cluster, configured)

    def _schedule_periodic(self, cluster: ServedCluster, configured: _Configured) -> None:
        if configured.record.maximum > 0:
            self._schedule(cluster, configured, configured.record.maximum)

    def _schedule(self, cluster: ServedCluster, configured: _Configured, delay: float) -> None:
        _cancel(configured)
        configured.due = self._later(delay, lambda: self._report(cluster, configured))

    def _report(self, cluster: ServedCluster, configured: _Configured) -> None:
        configured.last = self._now()
        slot = cluster.attributes[configured.record.attribute]
        self._send(cluster.id, ReportAttributes((Attribute(slot.id, slot.typed),)))
        self._schedule_periodic(cluster, configured)


def _cancel(configured: _Configured) -> None:
    if configured.due is not None:
        configured.due.cancel()
