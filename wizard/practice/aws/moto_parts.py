"""The one door to moto: imports it late and lean, hands out its backends, forgets an account.

moto's EC2 reads every instance type of every region when it is imported (80 MB and 0.6 s here), and its
balancers need EC2. One type in each zone is all that the practice world has, so only that is loaded.
"""

import functools
import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

INSTANCE_TYPE = "t3.medium"
SERVICES = ("s3", "iam", "sts", "route53", "elb", "elbv2", "ec2")
GLOBAL_SERVICES = frozenset({"s3", "iam", "sts", "route53"})
_import_lock = threading.RLock()
_loaded: set[str] = set()


def backend(service: str, account: str, aws_region: str) -> Any:
    """The backend of a service (one a region, or one for all where the service is global)."""
    backends = getattr(_models(service), f"{service}_backends")
    return backends[account]["aws" if service in GLOBAL_SERVICES else aws_region]


def loaded_backend(service: str, account: str, aws_region: str) -> Any | None:
    """Like `backend`, but None while nobody has needed the service."""
    return backend(service, account, aws_region) if service in _loaded else None


def bucket_owners() -> dict[str, tuple[str, str]]:
    """All bucket names of all accounts: name -> (partition, account)."""
    owners: dict[str, tuple[str, str]] = _models("s3").s3_backends.bucket_accounts
    return owners


def forget_account(account: str) -> None:
    """Closes and drops everything that the account owns."""
    from moto.core.base_backend import backend_lock

    with backend_lock:
        for service in list(_loaded):
            backends = getattr(_models(service), f"{service}_backends")
            if account in backends:
                if service == "s3":
                    backends[account]["aws"].reset()
                del backends[account]


@functools.cache
def application(service: str) -> Any:
    """The WSGI application of a service; both kinds of balancers share one."""
    _models("elbv2" if service == "elb" else service)
    create = part("moto_server.werkzeug_app", "create_backend_app")
    return create("elb" if service == "elbv2" else service)


@functools.cache
def model(service: str) -> Any:
    """What moto sees of botocore's service description."""
    return part("core.utils", "get_service_model")(service)


def part(module: str, name: str) -> Any:
    """A class or function of moto's, whose annotations are not meant for others."""
    return getattr(importlib.import_module(f"moto.{module}"), name)


@functools.cache
def _models(service: str) -> ModuleType:
    with _import_lock:
        _loaded.add(service)
        if service in {"elb", "elbv2", "ec2"}:
            with _one_instance_type():
                return importlib.import_module(f"moto.{service}.models")
        return importlib.import_module(f"moto.{service}.models")


@contextmanager
def _one_instance_type() -> Iterator[None]:
    from moto.utilities import utils

    whole = utils.load_resource
    utils.load_resource = _lean_resource
    try:
        yield
    finally:
        utils.load_resource = whole


def _lean_resource(resource: str) -> Any:
    """Stands in for moto's loader while EC2 is imported, and afterwards for what EC2 loads a region."""
    if resource.endswith("/instance_types.json"):
        return {INSTANCE_TYPE: {"InstanceType": INSTANCE_TYPE, "CurrentGeneration": True}}
    if "instance_type_offerings" in resource:
        kind, _, file_name = resource.rpartition("instance_type_offerings/")[2].partition("/")
        aws_region = file_name.split(".")[0]
        places = [aws_region] if kind == "region" else [f"{aws_region}{zone}" for zone in "abc"]
        return [{"InstanceType": INSTANCE_TYPE, "Location": place} for place in places]
    if resource.endswith("/amis.json"):
        return []
    raise FileNotFoundError(resource)


def used_regions(service: str, account: str) -> list[str]:
    """The regions in which the account has used the service."""
    if service not in _loaded:
        return []
    backends = getattr(_models(service), f"{service}_backends")
    return list(backends[account].keys()) if account in backends else []
