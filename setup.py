"""The compiled recorder. Everything else is in pyproject.toml.

``optional``: where no C compiler is at hand the package is complete without it, and its Python twin records.
"""

import sysconfig

from setuptools import Extension, setup

LIMITED_API = not sysconfig.get_config_var("Py_GIL_DISABLED")
"""A build without a GIL has none, and the compiled recorder relies on the GIL: the twin serves there."""

NATIVE = "src/genesis_performance/operations/native"

setup(
    ext_modules=[
        Extension(
            "genesis_performance.operations._core",
            [f"{NATIVE}/core.c"],
            depends=[
                f"{NATIVE}/{name}.h"
                for name in ("core", "threads", "cell", "execution", "stepped", "recorder")
            ],
            extra_compile_args=["-O2", "-fvisibility=hidden"],
            py_limited_api=True,
            optional=True,
        )
    ]
    if LIMITED_API
    else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
)
