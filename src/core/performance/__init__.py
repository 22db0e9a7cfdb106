"""``core.performance`` is another name of ``genesis_performance``: the same modules, not copies.

``core`` itself is a namespace that other distributions may share. A project with a regular package of its
own called ``core`` imports ``genesis_performance`` instead.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False  # typing itself would cost as much as all the rest of this import
if TYPE_CHECKING:
    from genesis_performance import *  # noqa: F403

ALIAS = "core.performance"
REAL = "genesis_performance"


class _Alias:
    """Answers ``import core.performance.x`` with the module ``genesis_performance.x`` itself.

    A finder and loader by its methods: ``importlib.abc`` takes ten times as long to import.
    """

    def find_spec(self, fullname, path=None, target=None):  # type: ignore[no-untyped-def]
        if not fullname.startswith(f"{ALIAS}."):
            return None
        real = _real_spec(fullname)
        if real is None:
            return None
        return ModuleSpec(fullname, self, is_package=real.submodule_search_locations is not None)

    def create_module(self, spec):  # type: ignore[no-untyped-def]
        return None

    def exec_module(self, module):  # type: ignore[no-untyped-def]
        name = module.__name__
        real = importlib.import_module(REAL + name.removeprefix(ALIAS))
        sys.modules[name] = real
        parent, _, child = name.rpartition(".")
        setattr(sys.modules[parent], child, real)

    def get_code(self, fullname):  # type: ignore[no-untyped-def]
        """For ``python -m core.performance.x``, which asks the loader for code."""
        spec = _real_spec(fullname)
        return spec.loader.get_code(spec.name) if spec and spec.loader else None


def _real_spec(fullname):  # type: ignore[no-untyped-def]
    from importlib.util import find_spec

    return find_spec(REAL + fullname.removeprefix(ALIAS))


sys.meta_path.insert(0, _Alias())
sys.modules[__name__] = importlib.import_module(REAL)
