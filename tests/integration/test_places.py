"""Cloud accounts and regions: what may be kept, what is never shown, and the way to the API."""

import pytest
from botocore.exceptions import BotoCoreError

from deployments.cloud import sessions
from deployments.cloud.errors import NoCredentials, ProviderUnreachable
from deployments.cloud.words import refusal_for
from tenants import actors, secrets, services
from tenants.errors import PlaceRefused, SecretTooShort
from tenants.models import AuditEntry, CloudAccount, Region
from tests.awsapi import ACCESS_KEY, SECRET_KEY, AwsApi, make_cloud_region
from tests.factories import make_region

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("places")]
TEST = actors.system("test")
NOWHERE = AwsApi("http://127.0.0.1:9")
ROLE = "arn:aws:iam::123456789012:role/portal"


def account(**fields) -> CloudAccount:
    """Return an account with a key."""
    values = {"access_key_id": ACCESS_KEY, "secret_key": SECRET_KEY, **fields}
    return services.create_account(TEST, name="main", provider="aws", **values)


def test_the_secret_key_is_encrypted_and_stays_out_of_the_audit_trail():
    made = CloudAccount.objects.get(pk=account().pk)
    assert SECRET_KEY.encode() not in bytes(made.ciphertext)
    assert secrets.own(made) == SECRET_KEY
    services.change_account(TEST, made, secret_key="another-secret-key-1")
    entries = list(AuditEntry.objects.filter(target_id=made.public_id).order_by("id"))
    assert (entries[0].after["secret"], entries[1].after) == ("(set)", {"secret": "(changed)"})
    assert SECRET_KEY not in str([(e.before, e.after) for e in entries])
    assert secrets.own(CloudAccount.objects.get(pk=made.pk)) == "another-secret-key-1"


def test_a_secret_key_that_is_copied_to_another_account_does_not_open():
    first, second = account(), services.create_account(TEST, name="other", provider="aws")
    second.key_id, second.ciphertext = first.key_id, first.ciphertext
    with pytest.raises(ValueError, match="belongs elsewhere"):
        secrets.own(second)


def test_an_empty_secret_key_keeps_it_and_a_key_without_id_goes():
    made = account()
    services.change_account(TEST, made, account_number="123456789012", secret_key="")
    assert secrets.own(CloudAccount.objects.get(pk=made.pk)) == SECRET_KEY
    services.change_account(TEST, made, access_key_id="")
    made = CloudAccount.objects.get(pk=made.pk)
    assert (made.has_secret, made.ciphertext) == (False, None)
    with pytest.raises(NoCredentials, match="has no access key"):
        sessions.key_of(made)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"secret_key": ""}, PlaceRefused),
        ({"access_key_id": ""}, PlaceRefused),
        ({"secret_key": "short"}, SecretTooShort),
        ({"role_arn": "portal"}, PlaceRefused),
    ],
)
def test_half_an_access_is_refused(fields, error):
    with pytest.raises(error):
        account(**fields)
    assert not CloudAccount.objects.filter(name="main").exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"code": "Ohio"}, "us-east-2"),
        ({"code": "", "state_backend": "s3"}, "needs an account at AWS"),
        ({"state_backend": "s3", "backend_config": {"key": "x"}}, "known ones are"),
        ({"state_backend": "s3", "backend_config": {"bucket": "No_Bucket"}}, "3 to 63"),
        ({"state_backend": "pg"}, "address of that database"),
        ({"endpoint_url": "ftp://x"}, "http"),
        ({"endpoint_url": "https://u:p@x"}, "no password"),
        ({"probe": {"port": "443"}}, "resolver"),
        ({"instances_remote": "https://u:token@example.com/x.git"}, "no password"),
        ({"instances_remote": "ext::sh -c x"}, "git@example.com"),
        ({"instances_remote": "--upload-pack=x"}, "git@example.com"),
    ],
)
def test_a_region_that_cannot_work_is_refused_in_words(fields, words):
    with pytest.raises(PlaceRefused, match=words):
        make_cloud_region(NOWHERE, **fields)
    assert not Region.objects.filter(slug="ohio").exists()


def test_what_stacks_were_built_with_is_frozen_by_the_first_one(lab):
    services.change_region(TEST, make_region(slug="empty", code="us-east-1"), code="us-east-2")
    with pytest.raises(PlaceRefused, match="domain name cannot change while sharedlab stands"):
        services.change_region(TEST, lab.region, domain_name="other.example.net")
    services.change_region(TEST, lab.region, domain_name="lab.example.net", title="Here")
    assert Region.objects.get(slug="lab").title == "Here"


def test_a_client_speaks_to_the_regions_api_with_the_accounts_key(aws, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "somebody")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ambient")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    region = make_cloud_region(aws)
    found = sessions.client(region, "sts").get_caller_identity()
    assert found["Account"] == "123456789012"
    used = sessions.client(region, "s3")._request_signer._credentials
    assert (used.access_key, used.secret_key) == (ACCESS_KEY, SECRET_KEY)


def test_a_client_of_an_account_with_a_role_assumes_it(aws):
    region = make_cloud_region(aws)
    services.change_account(TEST, region.account, role_arn=ROLE, external_id="ext-1")
    found = sessions.client(region, "sts").get_caller_identity()
    assert ":assumed-role/portal/omlsaas" in found["Arn"]


def test_an_api_that_does_not_answer_is_a_sentence(settings):
    settings.CLOUD_ATTEMPTS = 1
    with pytest.raises(BotoCoreError) as caught:
        sessions.client(make_cloud_region(NOWHERE), "sts").get_caller_identity()
    refusal = refusal_for(caught.value, "Asking who we are")
    assert isinstance(refusal, ProviderUnreachable)


def test_the_admin_takes_a_secret_key_and_never_gives_it_back(client):
    from django.urls import reverse

    from tests.factories import make_user

    client.force_login(make_user("ada", role="admin"))
    data = {"name": "main", "provider": "aws", "access_key_id": ACCESS_KEY,
            "secret_key": SECRET_KEY, "reason": "start"}  # fmt: skip
    answer = client.post(reverse("admin:tenants_cloudaccount_add"), data)
    assert answer.status_code == 302, answer.content
    made = CloudAccount.objects.get(name="main")
    assert secrets.own(made) == SECRET_KEY
    page = client.get(reverse("admin:tenants_cloudaccount_change", args=[made.pk]))
    assert SECRET_KEY not in page.content.decode()
    assert bytes(made.ciphertext).hex() not in page.content.decode()
