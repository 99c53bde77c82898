"""The lists of the admin."""

from typing import Any

from django import template
from django.contrib.admin.templatetags.admin_list import result_headers
from django.contrib.admin.views.main import ChangeList

from tenants.admin.table import table_rows

register = template.Library()


@register.inclusion_tag("admin/portal_table.html")
def portal_table(cl: ChangeList) -> dict[str, Any]:
    """Show the table of a list; as Django's `result_list`, whose rows cost three times as much."""
    headers = list(result_headers(cl))
    return {
        "headers": headers,
        "sorted_by": sum(1 for header in headers if header["sortable"] and header["sorted"]),
        "has_rows": bool(cl.result_list),
        "rows": table_rows(cl),
    }
