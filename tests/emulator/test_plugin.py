from __future__ import annotations

import subprocess
import sys


def _pytest(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_a_project_that_owns_core_still_runs_its_tests(tmp_path):
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("ANSWER = 42\n")
    (tmp_path / "test_it.py").write_text(
        "import core\n\n"
        "def test_core(genesis_emulator):\n"
        "    assert core.ANSWER == 42 and genesis_emulator.grpc\n"
    )
    ran = _pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_plugin_loads_nothing_heavy(tmp_path):
    (tmp_path / "test_it.py").write_text(
        "import sys\n\n"
        "def test_light(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('genesis_performance')\n"
        # Not google.cloud: some packages have the interpreter make that namespace at its start.
        "    heavy = {'grpc', 'google.api_core', 'starlette', 'msgspec', 'genesis_performance.emulator'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    ran = _pytest(tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
