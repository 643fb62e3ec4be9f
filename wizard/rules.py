"""The rules of names and values, as pure functions, and the policy document of the guide.

A rule takes the value and returns the sentence that says what is wrong with it, or "" if nothing is.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

Rule = Callable[[str], str]

REGISTRY_BUCKET_ACTIONS = ("s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads")
REGISTRY_OBJECT_ACTIONS = (
    "s3:PutObject",
    "s3:GetObject",
    "s3:DeleteObject",
    "s3:ListMultipartUploadParts",
    "s3:AbortMultipartUpload",
)
CHECK_USER = "kube-registry-check"
LONGEST_PASSWORD_BYTES = 72

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"


def registry_policy(bucket: str, partition: str = "aws") -> Mapping[str, object]:
    """The guide's policy to the letter, for a bucket in the caller's partition.

    Source: the registry's S3 driver documentation, "S3 permission scopes".
    """
    arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": list(REGISTRY_BUCKET_ACTIONS), "Resource": arn},
            {"Effect": "Allow", "Action": list(REGISTRY_OBJECT_ACTIONS), "Resource": f"{arn}/*"},
        ],
    }


def bucket_name(name: str) -> str:
    """S3 general purpose buckets.

    Source: Amazon S3 user guide, "General purpose bucket naming rules".
    """
    if not 3 <= len(name) <= 63:
        return "A bucket name has 3 to 63 characters."
    if not re.fullmatch(r"[a-z0-9.-]+", name):
        return "A bucket name has only lower-case letters, digits, dots and hyphens."
    if not (name[0].isalnum() and name[-1].isalnum()):
        return "A bucket name begins and ends with a letter or a digit."
    if ".." in name:
        return "A bucket name has no two dots side by side."
    if re.fullmatch(r"\d+\.\d+\.\d+\.\d+", name):
        return "A bucket name must not look like an IP address."
    for prefix in ("xn--", "sthree-", "amzn-s3-demo-"):
        if name.startswith(prefix):
            return f"AWS keeps names that begin with {prefix} for itself."
    for suffix in ("-s3alias", "--ol-s3", "--x-s3", "--table-s3", ".mrap"):
        if name.endswith(suffix):
            return f"AWS keeps names that end with {suffix} for itself."
    if name.endswith("-an"):
        return "Names that end with -an are for account-regional buckets, which this wizard does not make."
    return ""


def bucket_name_warning(name: str) -> str:
    """What is allowed but unwise."""
    if "." in name:
        return "A dot in a bucket name breaks TLS for bucket.s3.amazonaws.com; a hyphen is better."
    return ""


def aws_region(name: str) -> str:
    if not re.fullmatch(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}", name):
        return "A region looks like eu-west-1."
    return ""


def namespace(name: str) -> str:
    if not re.fullmatch(_LABEL, name):
        return "A namespace has up to 63 lower-case letters, digits and hyphens, no hyphen at either end."
    return ""


def kubernetes_name(name: str) -> str:
    if len(name) > 253 or not re.fullmatch(rf"{_LABEL}(?:\.{_LABEL})*", name):
        return (
            "A Kubernetes name has lower-case letters, digits, hyphens and dots, alphanumeric at both ends."
        )
    return ""


def setup_name(name: str) -> str:
    if len(name) > 40 or not re.fullmatch(_LABEL, name):
        return "A setup's name has up to 40 lower-case letters, digits and hyphens, no hyphen at either end."
    if name == "practice":
        return "The name practice is kept for the practice world's own setups."
    return ""


def iam_user_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@-]{1,64}", name):
        return "An IAM user name has 1 to 64 letters, digits or _+=,.@- characters."
    return ""


def iam_policy_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_+=,.@-]{1,128}", name):
        return "An IAM policy name has 1 to 128 letters, digits or _+=,.@- characters."
    return ""


def iam_path(path: str) -> str:
    if not re.fullmatch(r"/|/[!-~]{1,510}/", path):
        return "An IAM path begins and ends with a slash, such as /registry/."
    return ""


def policy_arn(arn: str) -> str:
    if not re.fullmatch(r"arn:aws[a-z-]*:iam::(?:\d{12}|aws):policy/[!-~]{1,512}", arn):
        return "A policy's ARN looks like arn:aws:iam::123456789012:policy/boundary."
    return ""


def access_key_id(key: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{16,128}", key):
        return "An access key ID looks like AKIAIOSFODNN7EXAMPLE."
    return ""


def domain_name(name: str) -> str:
    """RFC 1035 and what a public CA issues for: at least two labels, no wildcard, no IP address."""
    if "://" in name or "/" in name:
        return "Only the name is asked for: no https:// and no path."
    if ":" in name:
        return "Only the name is asked for: no port. The registry answers on port 443."
    if name != name.lower():
        return "Write the domain in lower case; image names know no other."
    if name.startswith("*."):
        return "A registry needs one name of its own, not a wildcard."
    if re.fullmatch(r"[\d.]+", name):
        return "A domain name is asked for, not an IP address."
    if len(name) > 253 or not re.fullmatch(rf"(?:{_LABEL}\.)+{_LABEL}", name):
        return "A domain name has labels of letters, digits and hyphens, such as registry.example.com."
    return ""


def email(address: str) -> str:
    if not re.fullmatch(r"[^@\s:,;<>]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]{2,}", address):
        return "An e-mail address looks like name@example.org."
    if re.search(r"@example\.(?:com|net|org)$", address):
        return "CAs refuse addresses at example.com, example.net and example.org; leave it empty instead."
    return ""


def acme_directory(value: str) -> str:
    if value in {"production", "staging"}:
        return ""
    url = urlsplit(value)
    if url.scheme == "https" and url.hostname:
        return ""
    return "A directory is production, staging, or a URL that begins with https://."


def htpasswd_user(name: str) -> str:
    if name == CHECK_USER:
        return f"{CHECK_USER} is the wizard's own user for its proofs."
    if ":" in name:
        return "A user name has no colon: the htpasswd file uses it as its separator."
    if any(ord(char) < 32 or ord(char) == 127 for char in name):
        return "A user name has no line break and no control character."
    if name != name.strip() or name.startswith("#"):
        return "A user name has no space at its ends and does not begin with #."
    if len(name.encode()) > 255:
        return "A user name has at most 255 bytes."
    return ""


def password(text: str) -> str:
    if not text:
        return "A password is needed."
    if "\0" in text or "\n" in text or "\r" in text:
        return "A password has no line break and no NUL character."
    if len(text.encode()) > LONGEST_PASSWORD_BYTES:
        return f"bcrypt reads only {LONGEST_PASSWORD_BYTES} bytes (UTF-8); this password is longer."
    return ""


def password_variable(user: str) -> str:
    """The environment variable that may hold a user's password."""
    return "KUBE_REGISTRY_PASSWORD_" + re.sub(r"[^A-Z0-9]", "_", user.upper())


def image(name: str) -> str:
    if not re.fullmatch(
        r"(?:[a-zA-Z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?",
        name,
    ):
        return "An image looks like registry:3.1.1 or registry.example.com/mirror/registry:3.1.1."
    return ""


def cidr(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=True)
    except ValueError:
        return "A source range looks like 203.0.113.0/24, with no host bits set."
    return ""


def hosted_zone_id(text: str) -> str:
    if not re.fullmatch(r"[A-Z0-9]{1,32}", text):
        return "A hosted zone's ID looks like Z0123456789ABCDEFGHIJ."
    return ""


def nameserver(text: str) -> str:
    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "A name server is an IP address, with :port if it is not 53."
    if not (port.isdigit() and 0 < int(port) < 65536):
        return "A name server's port is a number from 1 to 65535."
    return ""


def proxy_url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname:
        return "A proxy looks like http://proxy.example.com:3128."
    if "@" in url.netloc:
        return (
            "Answers are kept on the disk, so a proxy's user and password may not stand in them. Leave "
            "endpoints.proxy empty, and put the whole URL into the environment as HTTPS_PROXY."
        )
    return ""
