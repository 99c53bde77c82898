"""The API: its routes, who may ask, how refusals and faults are answered."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.docs import DocsBase
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from pydantic import TypeAdapter

from api import document
from api.auth import Session, Token
from api.problems import answer
from api.routes import (
    accounts,
    approvals,
    ephemeral,
    hosts,
    invitations,
    many,
    notices,
    people,
    places,
    runs,
    secret_values,
    stacks,
    tenants,
    trail,
    workers,
)
from api.shapes import Problem

DESCRIPTION = (
    "Everything that the portal's pages do, by the same services. Refusals are problem details "
    "(RFC 9457): `code` is stable, `detail` is for people. Lists go on at `next`."
)


class Browsable(DocsBase):
    """The document as a page, with files of our own host."""

    def render_page(self, request: HttpRequest, api: NinjaAPI, **kwargs: Any) -> HttpResponse:
        """Return the page."""
        settings = {
            "url": self.get_openapi_url(api, kwargs),
            "layout": "BaseLayout",
            "deepLinking": True,
            # It would send the document to a service outside.
            "validatorUrl": None,
        }
        return render(request, "api/browse.html", {"settings": settings})


class Portal(NinjaAPI):
    """The API with our operation ids and a document that names every answer."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Return the function's name: stable, and short enough to type."""
        return operation.view_func.__name__

    def get_openapi_schema(self, **kwargs: Any) -> OpenAPISchema:
        """Return the whole document."""
        made = super().get_openapi_schema(**kwargs)
        shape = TypeAdapter(Problem).json_schema(mode="serialization")
        made["components"]["schemas"]["Problem"] = shape
        return document.complete(made)


api = Portal(
    title="omlsaas",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api",
    auth=[Token(), Session()],
    docs=Browsable(),
)
MODULES = (
    trail,
    places,
    tenants,
    stacks,
    runs,
    approvals,
    hosts,
    secret_values,
    accounts,
    many,
    ephemeral,
    people,
    invitations,
    notices,
    workers,
)
for module in MODULES:
    api.add_router("", module.router)
# The most specific handler wins, and the library brings some of its own.
for kind in (Exception, Http404, HttpError, ValidationError):
    api.add_exception_handler(kind, answer)
