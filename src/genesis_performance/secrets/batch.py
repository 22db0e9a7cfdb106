"""Several secrets at once: the values by name, and the error when some could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from ..errors import CloudError, InvalidInputError

NAMED = 5  # failures spelled out in the message


class SecretValues(dict[str, str]):
    """A dictionary that does not show its values, nor pickles them."""

    def __repr__(self) -> str:
        return f"<{len(self)} secrets: {', '.join(self)}; payloads left out>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("secrets are not pickled or copied; dict(values) makes a plain dictionary")


class SecretBatchError(CloudError):
    """Some secrets of a batch could not be read.

    Attributes:
        results: those that could, by name.
        failures: the error of each that could not, by name.
    """

    def __init__(self, results: SecretValues, failures: Mapping[str, Exception]) -> None:
        shown = "; ".join(f"{name}: {error}" for name, error in list(failures.items())[:NAMED])
        more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
        codes = {error.code if isinstance(error, CloudError) else "UNKNOWN" for error in failures.values()}
        super().__init__(
            f"{len(failures)} of {len(failures) + len(results)} secrets could not be read: {shown}{more}",
            code=codes.pop() if len(codes) == 1 else "UNKNOWN",
        )
        self.results = results
        self.failures = dict(failures)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("an error that holds secrets is not pickled or copied")


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once, in their order.

    Raises:
        InvalidInputError: a single name instead of several, or something that is no list of names.
    """
    if isinstance(names, str | bytes):
        raise InvalidInputError("get_secrets takes a list of names; for a single one there is get_secret")
    try:
        return tuple(dict.fromkeys(names))
    except TypeError as error:
        raise InvalidInputError(f"get_secrets takes a list of names: {error}") from None
