"""Route templates of Datasette, whose own router leaves none in the scope.

They repeat the order of Datasette 0.65's route table; each answers for many databases, tables and rows.
"""

from __future__ import annotations

import re

from ..integrations.asgi import UNMATCHED, Scope

_FORMAT = r"(?:\.(?P<format>json|jsono|csv|db|html|blob))?$"

ROUTES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), named)
    for pattern, named in (
        (rf"/{_FORMAT}", "/"),
        (r"/favicon\.ico$", "/favicon.ico"),
        (r"/-/static(-plugins)?/.*$", "/-/static/{path}"),
        (rf"/-/[a-z-]+{_FORMAT}", "/-/{page}"),
        (rf"/[^/.]+{_FORMAT}", "/{database}"),
        (rf"/[^/.]+/[^/.]+{_FORMAT}", "/{database}/{table}"),
        (rf"/[^/.]+/[^/]+?/[^/]+?{_FORMAT}", "/{database}/{table}/{row}"),
    )
)


def template(scope: Scope) -> str:
    """The template of a request's path, with the format that it asks for."""
    for pattern, named in ROUTES:
        found = pattern.match(scope["path"])
        if found:
            asked = found.groupdict().get("format")
            return f"{named}.{asked}" if asked else named
    return UNMATCHED
