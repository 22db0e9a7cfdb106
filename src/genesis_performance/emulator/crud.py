"""Create, Get, List, Update and Delete for one kind of resource, from a description of what is special.

A service made of such resources is a ``CrudService`` with one ``Kind`` for each; rules go to ``Kind.check``.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from google.protobuf import empty_pb2

from .cloud import Cloud
from .etags import new_etag
from .field_masks import field_of, replaceable, update
from .list_filters import matcher, value_at
from .paging import page_of
from .projects import number_of
from .rpc_error import RpcError

Check = Callable[["CrudService", Any, Any], None]  # service, the message to be stored, the one before or None
Rpc = Callable[..., Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of resource, in the words of its service's requests."""

    rpc: str  # "Dashboard", as in CreateDashboard
    plural: str  # "Dashboards", as in ListDashboards
    field: str  # of the message in Create and Update requests
    message: type[Any]
    page: type[Any]  # the response of List
    items: str  # the field of that with the messages
    parent: str  # regular expression of parents' names
    collection: str  # "dashboards", as in names
    check: Check
    parent_field: str = "parent"  # of Create and List requests
    id_field: str = ""  # of Create requests, where callers may choose the id
    id_pattern: str = r"[A-Za-z0-9_.-]{1,128}"
    new_id: Callable[[], str] = lambda: str(secrets.randbelow(9 * 10**18) + 10**18)
    most: int = 1000  # resources a page
    fixed: tuple[str, ...] = ("name",)  # what an update can not change
    has_etag: bool = False
    show: Callable[[Any], Any] = lambda message: message  # what a caller may see


def invalid(field: str, value: object, reason: str) -> RpcError:
    """The usual sentence for a field that can not be so."""
    text = str(value)
    shown = text if len(text) <= 100 else f"{text[:100]}..."
    return RpcError("INVALID_ARGUMENT", f'Field {field} had an invalid value of "{shown}": {reason}')


def check_user_labels(labels: Any, field: str) -> None:
    """At most 64; lower case letters, digits, ``_`` and ``-``; keys begin with a letter; 63 characters."""
    if len(labels) > 64:
        raise invalid(field, len(labels), "there may be at most 64 entries.")
    for key, value in labels.items():
        if re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key) is None:
            raise invalid(
                field, key, "keys begin with a letter and hold lower case letters, digits, _ and -."
            )
        if re.fullmatch(r"[a-z0-9_-]{0,63}", value) is None:
            raise invalid(f"{field}[{key}]", value, "values hold lower case letters, digits, _ and -.")


class Resources:
    """The resources of one kind, and the RPCs on them."""

    def __init__(self, kind: Kind, service: CrudService) -> None:
        self._kind = kind
        self._service = service
        self._held: dict[str, Any] = {}

    def rpcs(self) -> dict[str, Rpc]:
        rpc = self._kind.rpc
        return {
            f"Create{rpc}": self.create,
            f"Get{rpc}": self.get,
            f"List{self._kind.plural}": self.list,
            f"Update{rpc}": self.update,
            f"Delete{rpc}": self.delete,
        }

    def create(self, request: Any, context: Any = None, *, chosen: str = "") -> Any:
        kind, parent = self._kind, getattr(request, self._kind.parent_field)
        self._check_name(kind.parent_field, parent, kind.parent)
        message = self._given(request)
        chosen = chosen or (getattr(request, kind.id_field) if kind.id_field else "")
        if chosen and re.fullmatch(kind.id_pattern, chosen) is None:
            raise invalid(kind.id_field, chosen, f"it must match {kind.id_pattern}.")
        message.name = f"{parent}/{kind.collection}/{chosen or kind.new_id()}"
        kind.check(self._service, message, None)
        if key_of(message.name) in self._held:
            raise RpcError("ALREADY_EXISTS", f"{kind.rpc} {message.name} already exists.")
        if kind.has_etag:
            message.etag = new_etag()
        if not getattr(request, "validate_only", False):
            self._held[key_of(message.name)] = message
        return self._shown(message)

    def get(self, request: Any, context: Any = None) -> Any:
        return self._shown(self.held(request.name))

    def list(self, request: Any, context: Any = None) -> Any:
        kind, parent = self._kind, getattr(request, self._kind.parent_field)
        self._check_name(kind.parent_field, parent, kind.parent)
        fits = self._service.filter(kind, request)
        found = [message for message in self.of(parent) if fits(message)]
        for path in reversed(
            [part.strip() for part in getattr(request, "order_by", "").split(",") if part.strip()]
        ):
            _sort(found, path.removeprefix("-"), falling=path.startswith("-"))
        page, following = page_of(found, request, most=kind.most)
        answer = kind.page(next_page_token=following)
        getattr(answer, kind.items).extend(self._shown(message) for message in page)
        if "total_size" in answer.DESCRIPTOR.fields_by_name:
            answer.total_size = len(found)
        return answer

    def update(self, request: Any, context: Any = None) -> Any:
        kind, given = self._kind, self._given(request)
        before = self.held(given.name)
        if kind.has_etag and given.etag and given.etag != before.etag:
            raise RpcError("ABORTED", f"The etag of {before.name} is out of date; read it again and retry.")
        paths = list(request.update_mask.paths) if hasattr(request, "update_mask") else []
        changed = copied(before)
        fixed = (*kind.fixed, "etag")
        update(changed, given, paths or self._service.unmasked(kind, given, fixed), fixed=kind.fixed)
        kind.check(self._service, changed, before)
        if kind.has_etag:
            changed.etag = new_etag()
        if not getattr(request, "validate_only", False):
            self._held[key_of(before.name)] = changed
        return self._shown(changed)

    def delete(self, request: Any, context: Any = None) -> Any:
        message = self.held(request.name)
        self._service.before_delete(self._kind, message, request)
        del self._held[key_of(message.name)]
        return empty_pb2.Empty()

    def held(self, name: str) -> Any:
        """What is stored; not for answers.

        Raises:
            RpcError: INVALID_ARGUMENT or NOT_FOUND.
        """
        kind = self._kind
        self._check_name("name", name, f"{kind.parent}/{kind.collection}/[^/]+")
        found = self._held.get(key_of(name))
        if found is None:
            raise RpcError("NOT_FOUND", f"{kind.rpc} {name} was not found.")
        return found

    def of(self, parent: str) -> Iterator[Any]:
        """What is stored under a parent; ``-`` in it stands for any."""
        wanted = re.escape(f"{key_of(parent)}/{self._kind.collection}/").replace("/\\-/", "/[^/]+/")
        for key, message in list(self._held.items()):
            if re.match(wanted, key):
                yield message

    def drop(self, parent: str) -> None:
        """Remove everything under a parent."""
        for message in list(self.of(parent)):
            del self._held[key_of(message.name)]

    def dump(self) -> Sequence[str]:
        return [message.SerializeToString().hex() for message in self._held.values()]

    def load(self, value: Sequence[str]) -> None:
        for text in value:
            message = self._kind.message.FromString(bytes.fromhex(text))
            self._held[key_of(message.name)] = message

    def _given(self, request: Any) -> Any:
        if not request.HasField(self._kind.field):
            raise RpcError("INVALID_ARGUMENT", f"{self._kind.field} must be provided.")
        return copied(getattr(request, self._kind.field))

    def _shown(self, message: Any) -> Any:
        return self._kind.show(copied(message))

    def _check_name(self, field: str, name: str, pattern: str) -> None:
        if re.fullmatch(pattern, name) is None:
            raise invalid(field, name, f"it must have the form {_readable(pattern)}.")


class CrudService:
    """Base of services that are made of ``KINDS``."""

    SERVICE: ClassVar[str]
    KINDS: ClassVar[tuple[Kind, ...]]

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.resources = {kind.rpc: Resources(kind, self) for kind in self.KINDS}
        for resources in self.resources.values():
            for rpc, function in resources.rpcs().items():
                if not hasattr(self, rpc):  # a service may have its own
                    setattr(self, rpc, function)

    def before_delete(self, kind: Kind, message: Any, request: Any) -> None:
        """Refuse the removal, or remove what belongs to it."""

    def filter(self, kind: Kind, request: Any) -> Callable[[Any], bool]:
        """The test that a List request asks for."""
        return matcher(getattr(request, "filter", ""), kind.message)

    def unmasked(self, kind: Kind, given: Any, fixed: tuple[str, ...]) -> list[str]:
        """What an update without a mask replaces: everything."""
        return replaceable(given, fixed)

    def dump(self) -> dict[str, Sequence[str]]:
        return {name: resources.dump() for name, resources in self.resources.items()}

    def load(self, value: dict[str, Sequence[str]]) -> None:
        for name, resources in self.resources.items():
            resources.load(value.get(name, []))


def key_of(name: str) -> str:
    """A name with the project's number, so that id and number find the same resource."""
    return re.sub(r"^projects/([^/]+)", lambda match: f"projects/{number_of(match[1])}", name)


def copied(message: Any) -> Any:
    twin = type(message)()
    twin.CopyFrom(message)
    return twin


def _sort(messages: list[Any], path: str, *, falling: bool) -> None:
    if messages and field_of(messages[0], path.partition(".")[0]) is None:
        raise invalid("order_by", path, "there is no such field.")
    messages.sort(key=lambda message: str(value_at(message, path.split(".")) or ""), reverse=falling)


def _readable(pattern: str) -> str:
    text = re.sub(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)", lambda match: f"[{match[1].upper()}]", pattern)
    return text.replace("[^/]+", "[ID]")
