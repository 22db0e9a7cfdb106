"""google.monitoring.v3.MetricService: descriptors, monitored resources, writing and reading time series."""

from __future__ import annotations

from typing import Any

from . import names, pages, resources, state
from .descriptors import Descriptors, Entry, unknown
from .filters import compile_filter
from .messages import (
    Empty,
    ListMetricDescriptorsResponse,
    ListMonitoredResourceDescriptorsResponse,
    MetricDescriptor,
)
from .reads import list_time_series
from .series import ACTIVE_NS, Limits, SeriesStore
from .subjects import descriptor_field, resource_field
from .writes import Writer

MAX_DESCRIPTORS_PAGE = 10_000
MAX_RESOURCES_PAGE = 1_000


class Project:
    """What MetricService holds of one project."""

    __slots__ = ("descriptors", "series", "writer")

    def __init__(self, project: str, limits: Limits) -> None:
        self.series = SeriesStore(limits)
        self.descriptors = Descriptors(project, limits)
        self.writer = Writer(project, self.series, self.descriptors)


class MetricService:
    """The emulated service. ``limits`` may be replaced before a project is first used."""

    SERVICE = "google.monitoring.v3.MetricService"

    def __init__(self, cloud: Any) -> None:
        self._cloud = cloud
        self._projects: dict[str, Project] = {}
        self.limits = Limits()

    def project(self, project: str) -> Project:
        """The state of a project, made when it is first named."""
        found = self._projects.get(project)
        if found is None:
            found = self._projects[project] = Project(project, self.limits)
        return found

    def visible_descriptor(self, project: str, metric_type: str) -> Any | None:
        """A descriptor as alert policies see it: some time after it was created."""
        entry = self.project(project).descriptors.get(metric_type)
        if entry is None:
            return None
        delay_ns = round(self._cloud.settings.descriptor_delay_s * 1e9)
        return entry.message if self._cloud.clock.now_ns() >= entry.created_ns + delay_ns else None

    def dump(self) -> dict[str, Any]:
        return {
            name: state.dump_project(held.descriptors, held.series) for name, held in self._projects.items()
        }

    def load(self, value: dict[str, Any]) -> None:
        """Take back what ``dump`` gave."""
        for name, content in value.items():
            held = self.project(name)
            state.load_project(content, held.descriptors, held.series, self._cloud.clock.now_ns())

    def CreateMetricDescriptor(self, request: Any, context: Any = None) -> Any:
        project = self.project(names.project_of(request.name))
        return _copy(project.descriptors.create(request.metric_descriptor, self._cloud.clock.now_ns()))

    def GetMetricDescriptor(self, request: Any, context: Any = None) -> Any:
        project, metric_type = names.child_of(request.name, "metricDescriptors")
        entry = self.project(project).descriptors.get(metric_type)
        if entry is None:
            raise unknown(metric_type)
        return _copy(entry.message)

    def ListMetricDescriptors(self, request: Any, context: Any = None) -> Any:
        project = self.project(names.project_of(request.name))
        found = list(project.descriptors)
        if request.filter:
            selector = compile_filter(request.filter, descriptor_field)
            found = [entry for entry in found if selector.matches(entry.message)]
        if request.active_only:
            found = [entry for entry in found if self._is_active(project, entry)]
        found.sort(key=lambda entry: entry.message.type)
        page, next_token = pages.cut(
            found, request.page_size, request.page_token, pages.fingerprint(request), MAX_DESCRIPTORS_PAGE
        )
        return ListMetricDescriptorsResponse(
            metric_descriptors=[entry.message for entry in page], next_page_token=next_token
        )

    def _is_active(self, project: Project, entry: Entry) -> bool:
        since_ns = self._cloud.clock.now_ns() - ACTIVE_NS
        return any(
            series.ends and series.ends[-1] > since_ns
            for series in project.series.of_type(entry.message.type)
        )

    def DeleteMetricDescriptor(self, request: Any, context: Any = None) -> Any:
        project, metric_type = names.child_of(request.name, "metricDescriptors")
        held = self.project(project)
        held.descriptors.delete(metric_type)
        held.series.delete_type(metric_type)
        return Empty()

    def GetMonitoredResourceDescriptor(self, request: Any, context: Any = None) -> Any:
        project, resource_type = names.child_of(request.name, "monitoredResourceDescriptors")
        entry = resources.BY_TYPE.get(resource_type)
        if entry is None:
            raise names.not_found(request.name)
        return resources.descriptor(project, entry)

    def ListMonitoredResourceDescriptors(self, request: Any, context: Any = None) -> Any:
        project = names.project_of(request.name)
        found = [resources.descriptor(project, entry) for entry in resources.RESOURCE_TYPES]
        if request.filter:
            selector = compile_filter(request.filter, resource_field)
            found = [descriptor for descriptor in found if selector.matches(descriptor)]
        page, next_token = pages.cut(
            found, request.page_size, request.page_token, pages.fingerprint(request), MAX_RESOURCES_PAGE
        )
        return ListMonitoredResourceDescriptorsResponse(resource_descriptors=page, next_page_token=next_token)

    def CreateTimeSeries(self, request: Any, context: Any = None) -> Any:
        project = self.project(names.project_of(request.name))
        project.writer.write(request.time_series, self._cloud.clock.now_ns())
        return Empty()

    def ListTimeSeries(self, request: Any, context: Any = None) -> Any:
        project = self.project(names.project_of(request.name))
        return list_time_series(request, project.series, project.descriptors)


def _copy(message: Any) -> Any:
    answer = MetricDescriptor()
    answer.CopyFrom(message)
    return answer
