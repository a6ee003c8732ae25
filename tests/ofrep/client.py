"""Asks for flags with PyPI's openfeature-sdk and openfeature-provider-ofrep.

Usage: python client.py URL TOKEN; prints one line of JSON.
"""

import json
import sys

from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext

url, token = sys.argv[1], sys.argv[2]
headers = {"Authorization": f"Bearer {token}"} if token else {}
api.set_provider(OFREPProvider(url, headers_factory=lambda: headers))
client = api.get_client()
context = EvaluationContext("ada", {"email": "ada@example.com"})


def short(details):
    return {
        "value": details.value,
        "variant": details.variant,
        "reason": details.reason and str(details.reason.value),
        "errorCode": details.error_code and str(details.error_code.value),
        "flagMetadata": dict(details.flag_metadata),
    }


print(
    json.dumps(
        {
            "switch": short(client.get_boolean_details("featureFlags", False, context)),
            "theme": short(client.get_string_details("theme", "none", context)),
            "limit": short(client.get_integer_details("limit", 0, context)),
            "ratio": short(client.get_float_details("ratio", 0.0, context)),
            "style": short(client.get_object_details("style", {}, context)),
            "wrong": short(client.get_string_details("limit", "none", context)),
            "broken": short(client.get_boolean_details("broken", False, context)),
            "nobody": short(client.get_boolean_details("nobody", True, context)),
        }
    )
)
