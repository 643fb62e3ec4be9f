"""Names, labels and keys, with the sentences of apimachinery's `util/validation`."""

import re

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED_TEXT = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric"
    f" character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
)
CONFIG_KEY = r"[-._a-zA-Z0-9]+"


def subdomain(text: str) -> list[str]:
    """What is wrong with a name of most kinds; empty when nothing is."""
    if len(text) > 253:
        return ["must be no more than 253 characters"]
    if re.fullmatch(_SUBDOMAIN, text):
        return []
    return [
        (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
            "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
            f"for validation is '{_SUBDOMAIN}')"
        )
    ]


def label(text: str) -> list[str]:
    """A name of containers, volumes, namespaces and Services."""
    problems = ["must be no more than 63 characters"] if len(text) > 63 else []
    if not re.fullmatch(_LABEL, text):
        problems.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
            "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
            f"validation is '{_LABEL}')"
        )
    return problems


def label_key(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    if text.count("/") > 1:
        return [
            (
                f"a valid label key {_QUALIFIED_TEXT} with an optional DNS subdomain prefix and '/'"
                " (e.g. 'example.com/MyName')"
            )
        ]
    problems = []
    if slash:
        problems += (
            ["prefix part must be non-empty"]
            if not prefix
            else [f"prefix part {p}" for p in subdomain(prefix)]
        )
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append("name part must be no more than 63 characters")
    if not re.fullmatch(_QUALIFIED, name):
        problems.append(f"name part {_QUALIFIED_TEXT}")
    return problems


def label_value(text: str) -> list[str]:
    if len(text) > 63:
        return ["must be no more than 63 bytes"]
    if re.fullmatch(f"({_QUALIFIED})?", text):
        return []
    return [
        (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' "
            "or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
            f"or '12345', regex used for validation is '({_QUALIFIED})?')"
        )
    ]


def config_key(text: str) -> list[str]:
    """A key of a Secret or ConfigMap."""
    if len(text) > 253:
        return ["must be no more than 253 characters"]
    if not re.fullmatch(CONFIG_KEY, text):
        return [
            (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
                f"'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '{CONFIG_KEY}')"
            )
        ]
    if text in (".", "..") or text.startswith(".."):
        return [
            "must not be '.'"
            if text == "."
            else "must not be '..'"
            if text == ".."
            else "must not start with '..'"
        ]
    return []


def port_name(text: str) -> list[str]:
    """An IANA service name (RFC 6335)."""
    problems = []
    if len(text) > 15:
        problems.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]*", text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems
