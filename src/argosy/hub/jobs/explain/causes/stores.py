"""What is wrong with a datastore, or on the way to it."""

from typing import Final

from argosy.hub.jobs.explain.causes.cause import Cause

WRONG_KEY = Cause(
    "wrong_key",
    "The datastore refuses our credentials",
    "Correct access key, secret and rights of the datastore, then run the job again: nothing asks again by itself",
)
BUCKET_GONE = Cause(
    "bucket_gone",
    "The bucket or container of the datastore does not exist",
    "Make it again or correct its name, then run the job again: nothing asks again by itself",
)
STORE_ELSEWHERE = Cause(
    "store_elsewhere",
    "The bucket lies in another region or at another endpoint",
    "Correct region and endpoint of the datastore, then run the job again",
)
CLOCK_WRONG = Cause(
    "clock_wrong", "The clock of the node is wrong", "Set the clock of the node, then run the job again"
)
STORE_DOWN = Cause(
    "store_down",
    "The datastore does not answer, or cannot be used",
    "See that the store runs, that its address is right and that the node reaches it; what has attempts left is tried "
    "again by itself",
)
STORE_UNTRUSTED = Cause(
    "store_untrusted",
    "The certificate of the datastore is not to be trusted",
    "Renew the certificate of the server if it has run out or is for another host name; name the authority that signed "
    "it in ca_file of the datastore; what has attempts left is tried again by itself",
)
STORE_NAME_UNKNOWN = Cause(
    "store_name_unknown",
    "The host name of the datastore is not known at the node",
    "Correct endpoint or storage account of the datastore, or the name service (DNS) of the node; what has attempts "
    "left is tried again by itself",
)
STORE_NOT_TLS = Cause(
    "store_not_tls",
    "The datastore does not speak TLS, and its endpoint begins with https",
    "Correct the port, or say http:// in the endpoint; what has attempts left is tried again by itself",
)
STORE_STRANGER = Cause(
    "store_stranger",
    "What answers in the place of the datastore is no such store",
    "See where the endpoint leads: past a proxy or a login page, perhaps; what has attempts left is tried again by "
    "itself",
)
STORE_FULL = Cause(
    "store_full", "The datastore is full", "Make room in the store or raise its quota, then run it again"
)
STORE_KEY = Cause(
    "store_key",
    "The key by which the datastore encrypts cannot be used",
    "See at its key management that the key is there, enabled, and may be used with our credentials, or correct "
    "kms_key_id of the datastore; then run the job again: nothing asks again by itself",
)
NOT_ALLOWED_STORE = Cause(
    "store_not_declared",
    "The agent's configuration does not list the directory of the datastore",
    "Declare the datastore in the configuration that the agent runs with",
)

CODES: Final = {
    "refused": WRONG_KEY,
    "bucket_gone": BUCKET_GONE,
    "store_key": STORE_KEY,
    "store_elsewhere": STORE_ELSEWHERE,
    "clock_wrong": CLOCK_WRONG,
    "store_down": STORE_DOWN,
    "store_untrusted": STORE_UNTRUSTED,
    "store_name_unknown": STORE_NAME_UNKNOWN,
    "store_not_tls": STORE_NOT_TLS,
    "store_stranger": STORE_STRANGER,
    "store_full": STORE_FULL,
    "store_not_declared": NOT_ALLOWED_STORE,
}
"""What lies behind errors of these codes."""
