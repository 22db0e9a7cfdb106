"""Cloud Billing and its catalog, reading only: nothing is created there."""

from __future__ import annotations

from google.cloud import billing_v1

from .check import Site, check


@check("billing/account")
def a_project_has_billing_information(site: Site) -> None:
    """A project's billing information names the project and an account."""
    client = site.client(billing_v1.CloudBillingClient)
    info = site.call(client.get_project_billing_info, name=site.parent)
    site.same("the name", info.name, f"{site.parent}/billingInfo")
    site.same("the form of the account", info.billing_account_name[:16] in {"", "billingAccounts/"}, True)


@check("catalog/prices")
def services_are_in_the_catalog(site: Site) -> None:
    """The services we name are in the catalog under the ids we know."""
    client = site.client(billing_v1.CloudCatalogClient)
    found = {service.display_name: service.service_id for service in site.call(client.list_services)}
    for name, service_id in {"Cloud Run": "152E-C115-5142", "Secret Manager": "EE82-7A5E-871C"}.items():
        site.same(name, found.get(name), service_id)
