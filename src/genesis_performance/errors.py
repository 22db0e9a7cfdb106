"""Every exception of Genesis Performance, one tree.

::

    GenesisPerformanceError
    ├── ConfigurationError (ValueError)        a setting is unknown, of a wrong type or out of range
    ├── InvalidInputError (ValueError)         an argument or a file can not be right
    │   └── UnknownNameError (LookupError)     a name that nothing is registered under
    ├── MissingDependencyError (ImportError)   an optional package is not installed
    ├── StateError (RuntimeError)              right call, wrong moment (stopping what does not run)
    ├── StoreError                             the history store can not be used
    │   └── StoreVersionError                  written by a newer Genesis Performance
    ├── EmulatorError                          the local Google Cloud did not start or stopped
    ├── NoDataError (LookupError)              the question is right, the data is not there yet
    └── CloudError                             Google Cloud answered with an error
        ├── CloudNotFoundError (LookupError)
        ├── CloudPermissionError (PermissionError)
        ├── CloudInvalidError (ValueError)     the service refused the request as wrong
        ├── CloudConflictError                 already exists, or an etag is out of date
        ├── CloudPreconditionError             the resource's state forbids it
        ├── CloudUnavailableError (ConnectionError)   transient: unavailable, deadline, quota
        │   ├── CloudDeadlineError (TimeoutError)
        │   └── CloudQuotaError
        └── CloudUnimplementedError            the service (or the emulator) has no such method

A message names the thing, the value, what is allowed and the remedy. It never holds a secret's payload.
"""

from __future__ import annotations


class GenesisPerformanceError(Exception):
    """Base of every error that Genesis Performance raises."""


class ConfigurationError(GenesisPerformanceError, ValueError):
    """A setting is unknown, of a wrong type or out of range."""


class InvalidInputError(GenesisPerformanceError, ValueError):
    """An argument, a file or a measurement can not be right."""


class UnknownNameError(InvalidInputError, LookupError):
    """A name that nothing is registered under; the message lists the known ones."""

    def __str__(self) -> str:  # LookupError's own would show the repr of the message
        return str(self.args[0]) if self.args else ""


class MissingDependencyError(GenesisPerformanceError, ImportError):
    """An optional package is not installed; the message has the ``pip install`` line."""


class StateError(GenesisPerformanceError, RuntimeError):
    """The call is right but not now: starting what runs, stopping what does not."""


class StoreError(GenesisPerformanceError):
    """The history store can not be read or written."""


class StoreVersionError(StoreError):
    """The store was written by a newer Genesis Performance."""


class EmulatorError(GenesisPerformanceError):
    """The local Google Cloud could not start, or is not reachable."""


class NoDataError(GenesisPerformanceError, LookupError):
    """The question is right, the data to answer it is not there yet."""


class CloudError(GenesisPerformanceError):
    """Google Cloud answered with an error.

    Attributes:
        code: the canonical gRPC status name, for example ``"NOT_FOUND"``.
        details: the unpacked ``google.rpc.Status`` details, as protobuf messages.
    """

    def __init__(self, message: str, *, code: str = "UNKNOWN", details: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class CloudNotFoundError(CloudError, LookupError):
    """There is no such resource."""


class CloudPermissionError(CloudError, PermissionError):
    """The caller may not do this, or is not authenticated."""


class CloudInvalidError(CloudError, ValueError):
    """The service refused the request as wrong."""


class CloudConflictError(CloudError):
    """The resource exists already, or the etag is out of date."""


class CloudPreconditionError(CloudError):
    """The state of the resource forbids this."""


class CloudUnavailableError(CloudError, ConnectionError):
    """Transient: the same call may succeed later."""


class CloudDeadlineError(CloudUnavailableError, TimeoutError):
    """No answer within the deadline."""


class CloudQuotaError(CloudUnavailableError):
    """A quota is exhausted."""


class CloudUnimplementedError(CloudError):
    """The service, or the emulator, has no such method."""
