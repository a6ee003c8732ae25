"""DigitalOcean's official Python client against the simulator: `client.py URL TOKEN`.

Prints one line of JSON per step; ends with 1 at the first thing that the real cloud would not do.
"""

import json
import sys
import time

from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from pydo import Client

PATIENCE_SECONDS = 60
PAGE = 5
CROWD = 12
TAG = "pydo:crowd"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPl6xUqxo1EOBFZHGMHXZUmjlwcQLvo5IJZQWfFBv0Yf pydo"


class Token(SansIOHTTPPolicy):
    """The client's own policy insists on https, also on this machine."""

    def __init__(self, token):
        self.token = token

    def on_request(self, request):
        request.http_request.headers["Authorization"] = f"Bearer {self.token}"


def client(url, token):
    # A create that is sent again is a droplet too many: the client's own default is to do so after a 503.
    return Client(token=token, endpoint=url, authentication_policy=Token(token), retry_total=0)


def step(name, **said):
    print(json.dumps({"step": name, **said}), flush=True)


def check(kept, what):
    if not kept:
        sys.exit(f"the simulator does not keep to the API: {what}")


def refused(call, status, error_id, word):
    """The call must be refused so; the client gives error answers back as they are, or raises them."""
    try:
        answer = call()
    except HttpResponseError as error:
        check(error.status_code == status, f"{status} expected, got {error}")
        answer = json.loads(error.response.text())
    # The document writes `unauthorized`, the real cloud `Unauthorized`.
    check(isinstance(answer, dict) and answer.get("id", "").lower() == error_id, f"`{error_id}` expected, got {answer}")
    check(word in answer["message"], f"`{word}` expected in {answer['message']}")
    step("refused", status=status, message=answer["message"])


def eventually(look, what):
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    check(False, what)


def wanted(name, **more):
    body = {"name": name, "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", "tags": [TAG]}
    return {**body, **more}


def catalogue(cloud):
    account = cloud.account.get()["account"]
    sizes = cloud.sizes.list(per_page=200)["sizes"]
    check(any(size["slug"] == "s-1vcpu-1gb" and size["price_monthly"] > 0 for size in sizes), "no small size")
    check(any(region["slug"] == "fra1" for region in cloud.regions.list()["regions"]), "no fra1")
    images = cloud.images.list(type="distribution", per_page=200)["images"]
    check(any(image["slug"] == "debian-13-x64" for image in images), "no debian-13-x64")
    step("catalogue", droplet_limit=account["droplet_limit"], sizes=len(sizes))


def key(cloud):
    made = cloud.ssh_keys.create(body={"name": "pydo", "public_key": KEY})["ssh_key"]
    check(cloud.ssh_keys.get(str(made["id"]))["ssh_key"]["fingerprint"] == made["fingerprint"], "another key")
    refused(lambda: cloud.ssh_keys.create(body={"name": "again", "public_key": KEY}), 422, "unprocessable_entity", "already in use")
    step("key", id=made["id"])
    return made["id"]


def droplet(cloud, key_id):
    made = cloud.droplets.create(body=wanted("pydo-one", ssh_keys=[key_id], user_data="#cloud-config\n{}"))
    check(made["droplet"]["status"] == "new", "a fresh droplet is new")
    number, action = made["droplet"]["id"], made["links"]["actions"][0]["id"]
    eventually(lambda: cloud.actions.get(action)["action"]["status"] == "completed", "the action does not end")
    active = eventually(lambda: of_status(cloud, number, "active"), "the droplet does not become active")
    kinds = sorted(network["type"] for network in active["networks"]["v4"])
    check(kinds == ["private", "public"], f"its networks are {kinds}")
    step("droplet", id=number, status=active["status"])
    return number


def of_status(cloud, number, status):
    found = cloud.droplets.get(number).get("droplet")
    return found if found and found["status"] == status else None


def crowd(cloud):
    names = [f"pydo-crowd-{number}" for number in range(CROWD)]
    made = []
    # At most ten at a time, as the API has it.
    for some in (names[:10], names[10:]):
        body = wanted("", names=some)
        del body["name"]
        made += [entry["id"] for entry in cloud.droplets.create(body=body)["droplets"]]
    found, page, pages = [], 1, 0
    while page:
        answer = cloud.droplets.list(tag_name=TAG, per_page=PAGE, page=page)
        found += [entry["id"] for entry in answer["droplets"]]
        check(len(answer["droplets"]) <= PAGE, "a page is too long")
        pages += 1
        link = answer["links"].get("pages", {}).get("next")
        page = page + 1 if link else None
        check(not link or f"page={page}" in link, f"the next page is {link}")
    check(set(made) <= set(found) and len(found) == len(set(found)) == CROWD + 1, f"listed are {found}")
    check(answer["meta"]["total"] == CROWD + 1, f"the total is {answer['meta']}")
    step("crowd", droplets=len(found), pages=pages)


def firewall(cloud):
    everywhere = {"addresses": ["0.0.0.0/0", "::/0"]}
    body = {
        "name": "pydo-firewall",
        "tags": [TAG],
        "inbound_rules": [{"protocol": "tcp", "ports": "22", "sources": everywhere}],
        "outbound_rules": [{"protocol": "tcp", "ports": "0", "destinations": everywhere}],
    }
    made = cloud.firewalls.create(body=body)["firewall"]
    body["inbound_rules"][0]["ports"] = "8000-8015"
    changed = cloud.firewalls.update(made["id"], body=body)["firewall"]
    check(changed["inbound_rules"][0]["ports"] == "8000-8015", f"it is {changed}")
    check([entry["id"] for entry in cloud.firewalls.list()["firewalls"]] == [made["id"]], "it is listed once")
    cloud.firewalls.delete(made["id"])
    check(cloud.firewalls.list()["firewalls"] == [], "it is deleted and listed")
    step("firewall", id=made["id"])


def tags(cloud):
    cloud.tags.create(body={"name": "pydo:other"})
    names = [tag["name"] for tag in cloud.tags.list(per_page=200)["tags"]]
    check(TAG in names and "pydo:other" in names, f"tags are {names}")
    cloud.tags.delete("pydo:other")
    step("tags", tags=len(names))


def errors(url, cloud, number):
    refused(lambda: client(url, "").account.get(), 401, "unauthorized", "authenticate")
    refused(lambda: cloud.droplets.get(number + 1_000_000), 404, "not_found", "could not be found")
    refused(lambda: cloud.droplets.create(body=wanted("a", size="s-999vcpu-1gb")), 422, "unprocessable_entity", "size")
    refused(lambda: cloud.droplets.create(body=wanted("a", region="nowhere9")), 422, "unprocessable_entity", "region")


def end(cloud, number, key_id):
    cloud.droplets.destroy(number)
    eventually(lambda: cloud.droplets.get(number).get("id") == "not_found", "it is deleted and there")
    cloud.droplets.destroy_by_tag(tag_name=TAG)
    eventually(lambda: cloud.droplets.list(tag_name=TAG)["droplets"] == [], "they are deleted and listed")
    cloud.ssh_keys.delete(str(key_id))
    step("end")


def main():
    url, token = sys.argv[1:]
    cloud = client(url, token)
    catalogue(cloud)
    key_id = key(cloud)
    number = droplet(cloud, key_id)
    crowd(cloud)
    firewall(cloud)
    tags(cloud)
    errors(url, cloud, number)
    end(cloud, number, key_id)


main()
