"""Looks at what lies outside: providers of regions, and the instances repository."""

from collections.abc import Iterator

from django.db.models import Max
from django.utils.translation import gettext as _

from deployments import instances
from deployments.cloud.checking import BAD, DOUBTFUL, check_region
from deployments.doctor.findings import Finding, bad, good, warn
from tenants.models import Region
from tenants.models.accounts import Provider


def look_at_cloud() -> Iterator[Finding]:
    """Ask the provider of each living region whether stacks can be built there."""
    regions = Region.objects.living().filter(account__provider=Provider.AWS)
    regions = regions.select_related("account").order_by("slug")
    if not regions:
        yield good("none", _("No region stands at a cloud provider."))
    for region in regions:
        for answer in check_region(region):
            text = f"{region}: {answer.text}"
            if answer.status == BAD:
                way_out = _("Correct it, then press “Ask the provider” on the region's page.")
                yield bad(answer.code, text, way_out, region=region.slug)
            elif answer.status == DOUBTFUL:
                way_out = _("Raise the quota before the next install.")
                yield warn(answer.code, text, way_out, region=region.slug)
            else:
                yield good(answer.code, text, region=region.slug)


def look_at_instances() -> Iterator[Finding]:
    """Look for inputs that the instances repository has not taken yet."""
    failed = instances.waiting().filter(error__isnull=False)
    count = failed.count()
    if not count:
        yield good("pushed", _("Nothing waits for the instances repository."))
        return
    first = failed.first()
    tries = failed.aggregate(most=Max("tries"))["most"]
    params = {"count": count, "run": first.run, "why": first.error_text, "tries": tries}
    text = _("%(count)s run(s) since %(run)s are not in the instances repository after "
             "%(tries)s tries: %(why)s") % params  # fmt: skip
    way_out = _("Let the workers reach it, or correct the remote and its key.")
    yield warn("not_pushed", text, way_out, count=count, tries=tries)
