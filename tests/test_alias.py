"""``core.performance`` and ``genesis_performance`` are one package under two names."""

import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

import genesis_performance


def run(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, **options
    )  # type: ignore[call-overload]


def test_the_two_names_are_one_module() -> None:
    assert importlib.import_module("core.performance") is genesis_performance


@pytest.mark.parametrize("name", ["errors", "model.money", "profiler", "config.loading"])
@pytest.mark.parametrize(
    ("first", "second"),
    [("core.performance", "genesis_performance"), ("genesis_performance", "core.performance")],
)
def test_submodules_are_the_same_objects_in_either_order(name: str, first: str, second: str) -> None:
    code = (
        f"import {first}.{name} as a, {second}.{name} as b, sys\n"
        f"assert a is b is sys.modules['core.performance.{name}']"
    )
    assert run(code).stderr == ""


def test_no_package_hides_a_submodule_behind_a_name_of_its_own() -> None:
    # Importing such a module under the alias would put the module in the place of that name.
    code = (
        "import genesis_performance as g, importlib, pkgutil, sys\n"
        "names = [m.name for m in pkgutil.walk_packages(g.__path__, 'genesis_performance.')]\n"
        "for name in names:\n"
        "    if not name.endswith('__main__') and '.shop.' not in name: importlib.import_module(name)\n"
        "for name, module in list(sys.modules.items()):\n"
        "    parent, _, child = name.rpartition('.')\n"
        "    if name.startswith('genesis_performance.'):\n"
        "        assert getattr(sys.modules[parent], child) is module, name\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_documented_name_is_importable_from_both() -> None:
    core = importlib.import_module("core.performance")
    for name in genesis_performance.__all__:
        assert getattr(core, name) is getattr(genesis_performance, name)


def test_dir_lists_every_public_name() -> None:
    assert set(genesis_performance.__all__) <= set(dir(genesis_performance))


def test_the_table_of_homes_and_all_agree() -> None:
    assert sorted(genesis_performance._HOMES) == genesis_performance.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Profiler'"):
        _ = genesis_performance.Profiler  # type: ignore[attr-defined]


def test_a_missing_submodule_is_not_found_under_its_own_name() -> None:
    done = run("import core.performance.missing")
    assert "ModuleNotFoundError: No module named 'core.performance.missing'" in done.stderr


def test_values_pickle_across_the_two_names() -> None:
    from core.performance.model.money import Money

    from genesis_performance.model.money import Money as Same

    assert type(pickle.loads(pickle.dumps(Money(1)))) is Same


def test_patching_one_name_patches_the_other() -> None:
    with mock.patch("core.performance.config.loading.PREFIX", "X"):
        assert genesis_performance.config.loading.PREFIX == "X"  # type: ignore[attr-defined]


def test_a_module_runs_under_the_alias() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "core.performance.cli.main", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "genesis-perf" in done.stdout


def test_a_project_with_a_core_package_of_its_own_uses_the_real_name(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core/__init__.py").touch()
    (tmp_path / "core/models.py").write_text("NAME = 'theirs'\n")
    done = run(
        "import core.models; from genesis_performance import PerformanceProfiler; print(core.models.NAME)",
        cwd=tmp_path,
    )
    assert done.stdout == "theirs\n", done.stderr


def test_a_project_with_core_as_a_namespace_keeps_it_beside_ours(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core/models.py").write_text("NAME = 'theirs'\n")
    done = run("import core.models, core.performance; print(core.models.NAME)", cwd=tmp_path)
    assert done.stdout == "theirs\n", done.stderr
