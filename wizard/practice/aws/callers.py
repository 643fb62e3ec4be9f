"""Who calls: looks access keys up in IAM, and gathers the policies that bind their owner."""

import secrets
import string
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from wizard.practice.aws import moto_parts
from wizard.practice.aws.errors import AwsError
from wizard.practice.aws.policies import Document, parse_document
from wizard.practice.aws.signatures import NOT_VALIDATED

S3_NO_KEY = "The AWS Access Key Id you provided does not exist in our records."
NO_KEY = "The security token included in the request is invalid."
S3_BAD_TOKEN = "The provided token is malformed or otherwise invalid."


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """What a client signs with; `session_token` only where the keys are temporary."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def new_keys(prefix: str = "AKIA") -> AwsKeys:
    """Random keys in AWS's form; the secret has the characters that need escaping in URLs."""
    letters = string.ascii_uppercase + "234567"
    key_id = prefix + "".join(secrets.choice(letters) for _ in range(16))
    token = secrets.token_urlsafe(96) if prefix == "ASIA" else None
    return AwsKeys(key_id, new_secret(), token)


def new_secret() -> str:
    body = string.ascii_letters + string.digits
    return (
        "".join(secrets.choice(body) for _ in range(36))
        + "/"
        + secrets.choice(body)
        + "+"
        + secrets.choice(body)
    )


@dataclass(frozen=True, slots=True)
class Caller:
    """`user_name` is None for a role's session and for the world itself, which `is_internal`."""

    arn: str
    unique_id: str
    secret: str
    user_name: str | None = None
    policies: tuple[Document, ...] = ()
    boundary: Document | None = None
    is_internal: bool = False


@dataclass(frozen=True, slots=True)
class _Session:
    keys: AwsKeys
    user_name: str
    ends: datetime


class Callers:
    """The account's keys: those of its IAM users, of assumed roles, of sessions, and the world's own."""

    def __init__(self, account: str, internal: AwsKeys) -> None:
        self._account = account
        self._internal = internal
        self._sessions: dict[str, _Session] = {}
        self._lock = threading.Lock()

    def new_session(self, user_name: str, ends: datetime) -> AwsKeys:
        """Temporary keys of a user, as GetSessionToken gives them."""
        keys = new_keys("ASIA")
        with self._lock:
            self._sessions[keys.access_key_id] = _Session(keys, user_name, ends)
        return keys

    def find(self, key_id: str, token: str | None, service: str, now: datetime, key_delay_s: float) -> Caller:
        """AwsError where the key is unknown, inactive, expired, or so new that AWS has not spread it yet."""
        if key_id == self._internal.access_key_id:
            arn = f"arn:aws:iam::{self._account}:user/practice-world"
            return Caller(arn, "AIDAPRACTICEWORLD", self._internal.secret_access_key, is_internal=True)
        with self._lock:
            session = self._sessions.get(key_id)
        if session is not None:
            self._check_session(session.keys.session_token, token, session.ends, service, now)
            user = moto_parts.backend("iam", self._account, "").users.get(session.user_name)
            if user is None:
                raise unknown_key(service)
            return self.user(user, session.keys.secret_access_key)
        if key_id.startswith("ASIA"):
            return self._role_session(key_id, token, service, now)
        return self._key_owner(key_id, token, service, now, key_delay_s)

    def _key_owner(
        self, key_id: str, token: str | None, service: str, now: datetime, key_delay_s: float
    ) -> Caller:
        for user in list(moto_parts.backend("iam", self._account, "").users.values()):
            for key in list(user.access_keys):
                if key.access_key_id != key_id:
                    continue
                age = now.replace(tzinfo=None) - key.create_date
                if key.status != "Active" or age < timedelta(seconds=key_delay_s):
                    raise unknown_key(service)
                if token:
                    raise bad_token(service)
                return self.user(user, key.secret_access_key)
        raise unknown_key(service)

    def _role_session(self, key_id: str, token: str | None, service: str, now: datetime) -> Caller:
        for role in list(moto_parts.backend("sts", self._account, "").assumed_roles):
            if role.access_key_id == key_id:
                self._check_session(
                    role.session_token, token, role.expiration.replace(tzinfo=now.tzinfo), service, now
                )
                return self._role_caller(role)
        raise unknown_key(service)

    @staticmethod
    def _check_session(
        right: str | None, token: str | None, ends: datetime, service: str, now: datetime
    ) -> None:
        if token != right:
            raise bad_token(service)
        if now >= ends:
            if service == "ec2":
                raise AwsError("RequestExpired", "Request has expired.")
            if service == "s3":
                raise AwsError("ExpiredToken", "The provided token has expired.")
            raise AwsError("ExpiredToken", "The security token included in the request is expired", 403)

    def user(self, user: Any, secret: str = "") -> Caller:
        """`user` is moto's; groups count, and the boundary where there is one."""
        iam = moto_parts.backend("iam", self._account, "")
        owners = [user, *iam.get_groups_for_user(user.name)]
        documents = [document for owner in owners for document in _documents(owner)]
        boundary = None
        if arn := user_boundary(user):
            boundary = policy_document(iam, arn)
        return Caller(user.arn, user.id, secret, user.name, tuple(documents), boundary)

    def _role_caller(self, session: Any) -> Caller:
        iam = moto_parts.backend("iam", self._account, "")
        role = iam.get_role_by_arn(session.role_arn)
        boundary = (
            policy_document(iam, role.permissions_boundary_arn) if role.permissions_boundary_arn else None
        )
        return Caller(
            session.arn, session.user_id, session.secret_access_key, None, tuple(_documents(role)), boundary
        )


def user_boundary(user: Any) -> str | None:
    """The ARN of the user's permissions boundary, which moto does not know of."""
    bound = getattr(user, "permissions_boundary", None)
    return bound["PermissionsBoundaryArn"] if bound else None


def policy_document(iam: Any, arn: str) -> Document:
    """The default version of a managed policy; one that is gone allows nothing."""
    policy = iam.managed_policies.get(arn)
    if policy is None:
        return {}
    return parse_document(next(v.document for v in policy.versions if v.is_default))


def _documents(owner: Any) -> list[Document]:
    inline = [parse_document(text) for text in owner.policies.values()]
    attached = [
        parse_document(version.document)
        for policy in owner.managed_policies.values()
        for version in policy.versions
        if version.is_default
    ]
    return inline + attached


def unknown_key(service: str) -> AwsError:
    if service == "s3":
        return AwsError("InvalidAccessKeyId", S3_NO_KEY, 403)
    if service == "ec2":
        return AwsError("AuthFailure", NOT_VALIDATED, 401)
    return AwsError("InvalidClientTokenId", NO_KEY, 403)


def bad_token(service: str) -> AwsError:
    if service == "s3":
        return AwsError("InvalidToken", S3_BAD_TOKEN)
    return unknown_key(service)
