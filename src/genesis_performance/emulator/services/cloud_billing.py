"""The emulated Cloud Billing: one account in USD, to which every project is linked until told otherwise."""

from __future__ import annotations

import re
from typing import Any

from google.cloud.billing_v1 import types
from google.iam.v1 import iam_policy_pb2

from ..cloud import Cloud
from ..crud import invalid
from ..paging import page_of
from ..projects import PROJECT, number_of
from ..rpc_error import RpcError

ACCOUNT = "billingAccounts/000000-000000-000000"
CURRENCY = "USD"
_Account = types.BillingAccount.pb()
_Info = types.ProjectBillingInfo.pb()


class CloudBilling:
    """google.cloud.billing.v1.CloudBilling."""

    SERVICE = "google.cloud.billing.v1.CloudBilling"

    def __init__(self, cloud: Cloud) -> None:
        self._infos: dict[str, Any] = {}  # of the projects that were asked for, by number

    def GetBillingAccount(self, request: Any, context: Any = None) -> Any:
        _check_account(request.name)
        return _account()

    def ListBillingAccounts(self, request: Any, context: Any = None) -> Any:
        is_child = request.parent or "master_billing_account" in request.filter  # there are no subaccounts
        page, following = page_of([] if is_child else [_account()], request, most=100)
        return types.ListBillingAccountsResponse.pb()(billing_accounts=page, next_page_token=following)

    def GetProjectBillingInfo(self, request: Any, context: Any = None) -> Any:
        return self._info(request.name)

    def UpdateProjectBillingInfo(self, request: Any, context: Any = None) -> Any:
        account = request.project_billing_info.billing_account_name
        if account:
            _check_account(account)
        info = self._info(request.name)
        info.billing_account_name = account
        info.billing_enabled = bool(account)
        return info

    def ListProjectBillingInfo(self, request: Any, context: Any = None) -> Any:
        _check_account(request.name)
        linked = [info for info in self._infos.values() if info.billing_enabled]
        page, following = page_of(linked, request, most=100)
        answer = types.ListProjectBillingInfoResponse.pb()
        return answer(project_billing_info=page, next_page_token=following)

    def TestIamPermissions(self, request: Any, context: Any = None) -> Any:
        """The caller may do everything: nobody is authenticated here."""
        _check_account(request.resource)
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=request.permissions)

    def _info(self, name: str) -> Any:
        match = re.fullmatch(PROJECT, name)
        if match is None:
            raise invalid("name", name, "it must have the form projects/[PROJECT].")
        project = match["project"]
        return self._infos.setdefault(
            number_of(project),
            _Info(
                name=f"{name}/billingInfo",
                project_id=project,
                billing_account_name=ACCOUNT,
                billing_enabled=True,
            ),
        )


def _account() -> Any:
    return _Account(name=ACCOUNT, open_=True, display_name="Emulated billing account", currency_code=CURRENCY)


def _check_account(name: str) -> None:
    if not re.fullmatch(r"billingAccounts/[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}", name):
        raise invalid("name", name, "it must have the form billingAccounts/[ACCOUNT].")
    if name != ACCOUNT:
        raise RpcError("PERMISSION_DENIED", "The caller does not have permission")


SERVICES = (CloudBilling,)
