"""Asking a region's provider, from the page and by the doctor."""

import pytest
from django.urls import reverse

from deployments.cloud.checking import check_region
from deployments.doctor import examine
from tenants import actors, services
from tenants.models import Region
from tests.awsapi import AwsApi, make_cloud_region, running
from tests.cloudruns import make_s3_region
from tests.factories import make_region, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
TEST = actors.system("test")


@pytest.fixture
def region(aws) -> Region:
    """Return a region with its zone at the local API."""
    aws.client("route53").create_hosted_zone(Name="cloud.example.net", CallerReference="1")
    return make_s3_region(aws, domain_name="cloud.example.net")


def answers(region: Region) -> dict[str, tuple[str, str]]:
    """Return status and sentence by code."""
    return {answer.code: (answer.status, answer.text) for answer in check_region(region)}


def test_a_region_in_order_answers_well_to_everything(region):
    found = answers(region)
    assert {code: status for code, (status, _) in found.items()} == {
        "identity": "ok", "zones": "ok", "hosted_zone": "ok", "addresses": "ok", "states": "ok",
    }  # fmt: skip
    assert "arn:aws:sts::123456789012" in found["identity"][1]
    assert "is made by the first run" in found["states"][1]


def test_a_key_of_another_account_is_found_and_nothing_else_is_asked(region):
    services.change_account(TEST, region.account, account_number="210987654321")
    found = answers(Region.objects.select_related("account").get(pk=region.pk))
    assert list(found) == ["identity"]
    assert "belongs to account 123456789012, not to 210987654321" in found["identity"][1]


def test_a_missing_zone_is_told_by_its_name(aws):
    found = answers(make_cloud_region(aws, domain_name="nowhere.example.net"))
    assert found["hosted_zone"][0] == "failed"
    assert "0 public hosted zones of nowhere.example.net." in found["hosted_zone"][1]


def test_a_zone_of_another_name_is_told(aws):
    zones = aws.client("route53")
    made = zones.create_hosted_zone(Name="other.example.net", CallerReference="2")
    zone = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
    found = answers(make_cloud_region(aws, domain_name="my.example.net", hosted_zone=zone))
    assert f"{zone} is of other.example.net., not of my.example.net." in found["hosted_zone"][1]


def test_addresses_that_will_not_suffice_are_a_warning(aws, region):
    ec2 = aws.client("ec2")
    made = [ec2.allocate_address(Domain="vpc")["AllocationId"] for _ in range(2)]
    assert len(made) == 2
    status, text = answers(region)["addresses"]
    assert (status, "2 of 5 fixed addresses" in text) == ("warning", True), text


def test_refused_credentials_are_a_sentence():
    with running(INITIAL_NO_AUTH_ACTION_COUNT="0") as strict:
        found = answers(make_cloud_region(strict))
    assert list(found) == ["identity"]
    assert "does not accept the credentials (InvalidClientTokenId)" in found["identity"][1]


def test_the_lab_has_nobody_to_ask():
    assert [a.code for a in check_region(make_region())] == ["no_provider"]


def test_the_page_shows_the_answers_with_and_without_a_script(client, region):
    client.force_login(make_user("alice", role="operator"))
    address = reverse("region_check", args=[region.public_id])
    whole = client.post(address).content.decode()
    part = client.post(address, headers={"HX-Request": "true"}).content.decode()
    for text in (whole, part):
        assert "The provider knows us as arn:aws:sts::123456789012" in text
    assert ("<html" in whole, "<html" in part) == (True, False)


def test_the_doctor_names_the_region_and_the_way_out(settings):
    settings.CLOUD_ATTEMPTS = 1
    make_cloud_region(AwsApi("http://127.0.0.1:9"))
    found = [finding for _, finding in examine(["cloud"])]
    assert [(f.status, f.code) for f in found] == [("failed", "identity")]
    assert found[0].text.startswith("ohio: Asking who we are failed")
    assert found[0].way_out
