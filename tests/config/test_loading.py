"""Settings: where each may come from, which source wins, and what a wrong one says."""

from pathlib import Path

import pytest

import genesis_performance
from genesis_performance import config
from genesis_performance.config.loading import PREFIX, SECTIONS, VARIABLES
from genesis_performance.config.profiler import ProfilerConfig
from genesis_performance.config.secret_manager import CacheStrategy
from genesis_performance.errors import ConfigurationError

SAMPLE_VALUES = {
    "PERFORMANCE_PROFILING_ENABLED": ("false", False),
    "PERFORMANCE_SAMPLING_INTERVAL": ("0.5", 0.5),
    "PERFORMANCE_CACHE_SIZE": ("12", 12),
    "COST_MONITORING_ENABLED": ("0", False),
    "MONTHLY_BUDGET_ALERTS": ("false", False),
    "SECRET_CACHE_STRATEGY": ("lfu", CacheStrategy.LFU),
    "SECRET_CACHE_TTL": ("60", 60.0),
    "K_SERVICE": ("checkout", "checkout"),
    "K_REVISION": ("checkout-7", "checkout-7"),
    "GCP_PROJECT_ID": ("shop-test", "shop-test"),
    "GOOGLE_CLOUD_PROJECT": ("shop-prod", "shop-prod"),
    "GENESIS_PERF_EMULATOR": ("127.0.0.1:1", "127.0.0.1:1"),
    "GENESIS_PERF_EMULATOR_HTTP": ("127.0.0.1:2", "127.0.0.1:2"),
    "OTEL_SERVICE_NAME": ("checkout", "checkout"),
    "OTEL_RESOURCE_ATTRIBUTES": ("a=1,b=2", "a=1,b=2"),
    "OTEL_SDK_DISABLED": ("true", True),
    "OTEL_METRIC_EXPORT_INTERVAL": ("30000", 30.0),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("http://localhost:4318", "http://localhost:4318"),
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": ("http://localhost/m", "http://localhost/m"),
    "OTEL_EXPORTER_OTLP_HEADERS": ("api-key=secret", "api-key=secret"),
    "OTEL_EXPORTER_OTLP_METRICS_HEADERS": ("api-key=secret", "api-key=secret"),
    "OTEL_EXPORTER_OTLP_PROTOCOL": ("grpc", "grpc"),
    "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": ("http/protobuf", "http/protobuf"),
    "OTEL_EXPORTER_OTLP_TIMEOUT": ("2500", 2.5),
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": ("2500", 2.5),
    "OTEL_EXPORTER_OTLP_COMPRESSION": ("none", "none"),
    "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": ("none", "none"),
}

YAML = """
profiler:
  enable_cpu_profiling: true
  enable_memory_profiling: false
  sampling_interval: 0.2
  cpu_threshold_percent: 70
  memory_threshold_percent: 60.5
benchmarks:
  default_iterations: 20
  confidence_level: 0.9
  enable_cloud_monitoring: true
monitoring:
  gcp_project_id: "shop-yaml"
  metric_prefix: "shop.performance"
  enable_alerting: false
cost_optimization:
  enable_analysis: false
  monthly_budget_alerts: false
  savings_threshold: 10
secret_manager:
  cache_strategy: "lru"
  cache_size: 7
  background_optimization: false
"""


def value(settings: config.Settings, path: str) -> object:
    section, _, key = path.partition(".")
    return getattr(getattr(settings, section), key)


def write_yaml(folder: Path, text: str) -> Path:
    path = folder / "performance_config.yaml"
    path.write_text(text)
    return path


def test_the_samples_cover_every_named_variable() -> None:
    assert set(SAMPLE_VALUES) == set(VARIABLES)


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_named_variable_sets_its_setting(variable: str) -> None:
    text, expected = SAMPLE_VALUES[variable]
    loaded = config.load(environ={variable: text})
    assert value(loaded, VARIABLES[variable]) == expected
    assert loaded.origins == {VARIABLES[variable]: f"${variable}"}


def test_every_key_of_the_file_arrives(tmp_path: Path) -> None:
    write_yaml(tmp_path, YAML)
    loaded = config.load(environ={}, directory=tmp_path)
    assert loaded.profiler.enable_memory_profiling is False
    assert loaded.benchmarks.confidence_level == 0.9
    assert loaded.monitoring.metric_prefix == "shop.performance"
    assert loaded.cost_optimization.savings_threshold == 10
    assert loaded.secret_manager.cache_strategy is CacheStrategy.LRU
    assert len(loaded.origins) == 17


def test_the_file_that_the_variable_names_wins_over_the_one_here(tmp_path: Path) -> None:
    write_yaml(tmp_path, "profiler: {cpu: always}")
    other = tmp_path / "other.yaml"
    other.write_text("profiler: {cpu: never}")
    loaded = config.load(environ={"GENESIS_PERF_CONFIG": str(other)}, directory=tmp_path)
    assert loaded.profiler.cpu == "never"


def test_pyproject_is_read_where_there_is_no_yaml(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.genesis-performance.storage]\nmax_size_mb = 5\n")
    assert config.load(environ={}, directory=tmp_path).storage.max_size_mb == 5


def test_yaml_wins_over_pyproject(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.genesis-performance.storage]\nmax_size_mb = 5\n")
    write_yaml(tmp_path, "storage: {max_size_mb: 6}")
    assert config.load(environ={}, directory=tmp_path).storage.max_size_mb == 6


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    write_yaml(tmp_path, "secret_manager: {cache_ttl_s: 1}")
    assert config.load(environ={"SECRET_CACHE_TTL": "2"}, directory=tmp_path).secret_manager.cache_ttl_s == 2


def test_an_argument_wins_over_the_environment() -> None:
    loaded = config.load(environ={"SECRET_CACHE_TTL": "2"}, arguments={"secret_manager.cache_ttl_s": 3.0})
    assert loaded.secret_manager.cache_ttl_s == 3


def test_the_general_variable_reaches_every_setting() -> None:
    for section in SECTIONS:
        for key in section.__struct_fields__:
            with pytest.raises(ConfigurationError) as caught:
                config.load(environ={f"{PREFIX}{section.NAME.upper()}__{key.upper()}X": "1"})
            assert key in str(caught.value)


def test_two_projects_that_differ_warn_and_the_first_named_wins(caplog: pytest.LogCaptureFixture) -> None:
    loaded = config.load(environ={"GOOGLE_CLOUD_PROJECT": "a", "GCP_PROJECT_ID": "b"})
    assert loaded.gcp.project_id == "a"
    assert "differ" in caplog.text


def test_two_projects_that_agree_say_nothing(caplog: pytest.LogCaptureFixture) -> None:
    config.load(environ={"GOOGLE_CLOUD_PROJECT": "a", "GCP_PROJECT_ID": "a"})
    assert caplog.text == ""


def test_an_empty_variable_is_no_value() -> None:
    assert config.load(environ={"GOOGLE_CLOUD_PROJECT": ""}).gcp.project_id is None


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GENESIS_PERF__STORAGE__URI": "x"}, ["GENESIS_PERF__STORAGE__URI", "storage.uri", "url"]),
        ({"GENESIS_PERF__STORE__URL": "x"}, ["store", "storage"]),
        ({"PERFORMANCE_SAMPLING_INTERVAL": "fast"}, ["PERFORMANCE_SAMPLING_INTERVAL", "fast", "float"]),
        ({"PERFORMANCE_SAMPLING_INTERVAL": "-1"}, ["-1", "> 0"]),
        ({"PERFORMANCE_SAMPLING_INTERVAL": "nan"}, ["nan"]),
        ({"PERFORMANCE_SAMPLING_INTERVAL": "inf"}, ["inf", "<= 1000000000"]),
        ({"SECRET_CACHE_STRATEGY": "Adaptive"}, ["Adaptive", "known are", "adaptive", "ttl"]),
        ({"GENESIS_PERF__MONITORING__WRITE_INTERVAL_S": "1"}, ["write_interval_s", ">= 5"]),
        ({"GENESIS_PERF_CONFIG": "nowhere.yaml"}, ["nowhere.yaml", "not a file"]),
    ],
)
def test_a_wrong_variable_is_named_with_value_and_remedy(environ: dict[str, str], words: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        config.load(environ=environ)
    assert [word for word in words if word not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "profiler: {sampling_intervall: 1}",
            ["performance_config.yaml", "did you mean 'sampling_interval'"],
        ),
        ("profilers: {}", ["profilers", "did you mean 'profiler'"]),
        ("profiler: {sampling_interval: often}", ["performance_config.yaml", "often", "float"]),
        ("profiler: 3", ["profiler is 3"]),
        ("- profiler", ["list", "sections"]),
        ("profiler: {", ["not valid YAML"]),
        ("1: 2", ["unknown setting '1'", "known are"]),
        ("profiler: {1: 2}", ["unknown setting 'profiler.1'"]),
        ("profiler: {cpu: often}", ["profiler.cpu", "often", "known are", "sampled"]),
    ],
)
def test_a_wrong_file_is_named_with_key_and_remedy(tmp_path: Path, text: str, words: list[str]) -> None:
    write_yaml(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        config.load(environ={}, directory=tmp_path)
    assert [word for word in words if word not in str(caught.value)] == []


def test_what_is_wrong_with_broken_yaml_is_said_in_one_line(tmp_path: Path) -> None:
    write_yaml(tmp_path, "profiler: [1,2\n")
    with pytest.raises(ConfigurationError, match=r"line 1, column 11") as caught:
        config.load(environ={}, directory=tmp_path)
    assert "\n" not in str(caught.value)


def test_an_empty_file_and_an_empty_section_are_no_settings(tmp_path: Path) -> None:
    write_yaml(tmp_path, "")
    assert config.load(environ={}, directory=tmp_path).origins == {}
    write_yaml(tmp_path, "profiler:\n")
    assert config.load(environ={}, directory=tmp_path).origins == {}


def test_a_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "performance_config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="can not be read"):
        config.load(environ={}, directory=tmp_path)


def test_broken_toml_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool")
    with pytest.raises(ConfigurationError, match="not valid TOML"):
        config.load(environ={}, directory=tmp_path)


def test_a_section_checks_what_its_constructor_is_given() -> None:
    with pytest.raises(ConfigurationError, match=r"profiler.cpu is 'often'.*default is 'sampled'"):
        ProfilerConfig(cpu="often")  # type: ignore[arg-type]


def test_settings_are_read_once() -> None:
    assert config.settings() is config.settings()


def test_reset_replaces_the_settings_of_the_process() -> None:
    mine = config.load(environ={"SECRET_CACHE_TTL": "9"})
    config.reset(mine)
    assert config.settings() is mine


def test_both_project_arguments_may_agree() -> None:
    assert config.project_argument("a", "a") == "a"


def test_project_arguments_that_differ_are_an_error() -> None:
    with pytest.raises(ConfigurationError, match="differ"):
        config.project_argument("a", "b")


@pytest.mark.parametrize(
    "part",
    [
        "CostOptimizationMonitor",
        "OptimizedSecretManager",
        "PerformanceBenchmarks",
        "PerformanceMonitor",
        "PerformanceOptimizer",
        "PerformanceProfiler",
        "RegressionDetector",
    ],
)
def test_every_part_accepts_both_project_arguments_and_refuses_two_that_differ(part: str) -> None:
    make = getattr(genesis_performance, part)
    make(project_id="shop")
    make(gcp_project_id="shop", project_id="shop")
    with pytest.raises(ConfigurationError, match=r"'other' and project_id='shop' differ"):
        make(gcp_project_id="other", project_id="shop")
    with pytest.raises(ConfigurationError, match="project_id is 3; it must be the id"):
        make(project_id=3)


def test_the_project_of_the_monitoring_section_is_the_last_resort(tmp_path: Path) -> None:
    write_yaml(tmp_path, "monitoring: {gcp_project_id: from-file}")
    config.reset(config.load(environ={}, directory=tmp_path))
    assert config.configured_project() == "from-file"
    assert config.configured_project("argument") == "argument"


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError):
        _ = config.nothing  # type: ignore[attr-defined]
