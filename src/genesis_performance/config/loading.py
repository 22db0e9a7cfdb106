"""Read the settings: defaults < pyproject or YAML < environment < arguments.

The only place that reads environment variables and files of settings.

File: ``GENESIS_PERF_CONFIG``, else ``./performance_config.yaml``, else ``[tool.genesis-performance]`` in
``./pyproject.toml``. Variables: those of ``VARIABLES`` below, and ``GENESIS_PERF__SECTION__KEY`` for any
setting. Unknown keys are errors.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ..errors import ConfigurationError
from .benchmarks import BenchmarksSection
from .cost_optimization import CostOptimizationSection
from .gcp import GcpSection
from .monitoring import MonitoringSection
from .notifications import NotificationsSection
from .optimizer import OptimizerSection
from .otlp import VARIABLES as OTEL_VARIABLES
from .otlp import OtlpSection, from_otel
from .profiler import ProfilerConfig
from .regression import RegressionSection
from .secret_manager import SecretManagerSection
from .section import Section, field_names, field_type, from_text, plain, unknown_key
from .storage import StorageSection

if TYPE_CHECKING:
    from pathlib import Path

SECTIONS: tuple[type[Section], ...] = (
    ProfilerConfig,
    BenchmarksSection,
    RegressionSection,
    MonitoringSection,
    NotificationsSection,
    OtlpSection,
    OptimizerSection,
    CostOptimizationSection,
    SecretManagerSection,
    StorageSection,
    GcpSection,
)
_BY_NAME = {section.NAME: section for section in SECTIONS}

VARIABLES = {
    "PERFORMANCE_PROFILING_ENABLED": "profiler.enabled",
    "PERFORMANCE_SAMPLING_INTERVAL": "profiler.sampling_interval",
    "PERFORMANCE_CACHE_SIZE": "secret_manager.cache_size",
    "COST_MONITORING_ENABLED": "cost_optimization.enable_analysis",
    "MONTHLY_BUDGET_ALERTS": "cost_optimization.monthly_budget_alerts",
    "SECRET_CACHE_STRATEGY": "secret_manager.cache_strategy",
    "SECRET_CACHE_TTL": "secret_manager.cache_ttl_s",
    "K_SERVICE": "profiler.service",
    "K_REVISION": "profiler.service_version",
    "GCP_PROJECT_ID": "gcp.project_id",
    "GOOGLE_CLOUD_PROJECT": "gcp.project_id",
    "GENESIS_PERF_EMULATOR": "gcp.emulator",
    "GENESIS_PERF_EMULATOR_HTTP": "gcp.emulator_http",
    **OTEL_VARIABLES,
}
"""Variable to setting; of two that set the same one, the later in this table wins."""

PREFIX = "GENESIS_PERF__"
CONFIG_VARIABLE = "GENESIS_PERF_CONFIG"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting. ``origins`` tells where each that is not a default came from."""

    profiler: ProfilerConfig
    benchmarks: BenchmarksSection
    regression: RegressionSection
    monitoring: MonitoringSection
    notifications: NotificationsSection
    otlp: OtlpSection
    optimizer: OptimizerSection
    cost_optimization: CostOptimizationSection
    secret_manager: SecretManagerSection
    storage: StorageSection
    gcp: GcpSection
    origins: Mapping[str, str] = {}


class _Value(NamedTuple):
    value: Any
    origin: str


def load(
    *,
    arguments: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> Settings:
    """Read every source and return the checked settings.

    Args:
        arguments: highest precedence, keys such as ``"storage.url"``.
        environ: instead of the process's own environment.
        directory: where the files are looked for; the working directory by default.

    Raises:
        ConfigurationError: an unknown key, a wrong type or value, a file that can not be read.
    """
    environ = os.environ if environ is None else environ
    values = _from_file(environ, directory)
    values |= _from_environment(environ)
    for path, value in (arguments or {}).items():
        values[_known(path, "argument")] = _Value(value, "argument")
    sections = {}
    for name, section in _BY_NAME.items():
        chosen = {path.partition(".")[2]: v for path, v in values.items() if path.startswith(f"{name}.")}
        sections[name] = _make(section, chosen)
    return Settings(**sections, origins={path: value.origin for path, value in values.items()})


def _make(section: type[Section], chosen: Mapping[str, _Value]) -> Any:
    plain = {key: value.value for key, value in chosen.items()}
    try:
        return msgspec.convert(plain, section)
    except (msgspec.ValidationError, ConfigurationError) as error:
        raise _located(error, section, chosen) from None


def _located(error: Exception, section: type[Section], chosen: Mapping[str, _Value]) -> ConfigurationError:
    """Say which of the chosen values is wrong, and where it came from."""
    for key, value in chosen.items():
        try:
            msgspec.convert(value.value, field_type(section, key))
        except msgspec.ValidationError as cause:
            reason = plain(cause, field_type(section, key))
            return ConfigurationError(f"{value.origin}: {section.NAME}.{key} is {value.value!r}: {reason}")
    return ConfigurationError(str(error))


def _known(path: str, where: str) -> str:
    section, _, key = path.partition(".")
    if section not in _BY_NAME:
        raise unknown_key(section, _BY_NAME, where)
    if key not in field_names(_BY_NAME[section]):
        raise unknown_key(path, field_names(_BY_NAME[section]), where)
    return path


def _from_file(environ: Mapping[str, str], directory: Path | None) -> dict[str, _Value]:
    from pathlib import Path

    directory = directory or Path()
    named = environ.get(CONFIG_VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            raise ConfigurationError(f"{CONFIG_VARIABLE} names {named!r}, which is not a file")
    else:
        path = directory / "performance_config.yaml"
        if not path.is_file():
            path = directory / "pyproject.toml"
    if not path.is_file():
        return {}
    document = _read(path)
    values = {}
    for section, keys in document.items():
        if section not in _BY_NAME:
            raise unknown_key(str(section), _BY_NAME, path.name)
        if keys is None:
            continue
        if not isinstance(keys, dict):
            raise ConfigurationError(f"{path.name}: {section} is {keys!r}; it must hold settings, one a line")
        for key, value in keys.items():
            values[_known(f"{section}.{key}", path.name)] = _Value(value, path.name)
    return values


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} can not be read: {error}") from error
    if path.suffix == ".toml":
        import tomllib

        try:
            whole = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
        document = whole.get("tool", {}).get("genesis-performance", {})
    else:
        import yaml

        try:
            document = yaml.safe_load(text)
        except yaml.YAMLError as error:
            # YAML draws the place over several lines; a command line shows one.
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"{path} is not valid YAML: {reason}") from error
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigurationError(f"{path} holds {type(document).__name__}; it must hold sections")
    return document


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Value]:
    values: dict[str, _Value] = {}
    for variable, path in VARIABLES.items():
        text = environ.get(variable)
        if not text:
            continue
        earlier = values.get(path)
        is_otel = variable in OTEL_VARIABLES
        value = from_otel(variable, text) if is_otel else _typed(path, text, variable)
        if is_otel and value is None:
            continue
        values[path] = _Value(value, f"${variable}")
        if earlier is not None and not is_otel and earlier.value != values[path].value:
            import logging  # a third of a cold start's import, for what most processes never say

            log = logging.getLogger(__name__)
            log.warning("%s and $%s differ: %s wins", earlier.origin, variable, values[path].value)
    for variable in sorted(environ):
        if not variable.startswith(PREFIX):
            continue
        path = _known(variable.removeprefix(PREFIX).lower().replace("__", ".", 1), f"${variable}")
        values[path] = _Value(_typed(path, environ[variable], variable), f"${variable}")
    return values


def _typed(path: str, text: str, variable: str) -> Any:
    section, _, key = path.partition(".")
    return from_text(text, field_type(_BY_NAME[section], key), path, f"${variable}")


_lock = threading.RLock()  # a signal handler may ask for the settings while they are read
_current: Settings | None = None


def settings() -> Settings:
    """The settings of this process, read once."""
    global _current  # noqa: PLW0603 - one cache, guarded by the lock
    with _lock:
        if _current is None:
            _current = load()
        return _current


def reset(to: Settings | None = None) -> None:
    """Read the settings anew at the next use, or use these: for tests and for the command line."""
    global _current  # noqa: PLW0603
    with _lock:
        _current = to
