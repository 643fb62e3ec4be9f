"""The practice world's AWS: S3, IAM (enforced), STS, Route53, ELB and EC2 on one port of this machine."""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from wizard.practice.aws import balancers, iam, inventory, moto_parts, nodes, route53, s3
from wizard.practice.aws.callers import AwsKeys, Callers, new_keys
from wizard.practice.aws.gate import Account, Gate, Settings
from wizard.practice.aws.record_sets import RecordSet
from wizard.practice.aws.web import make_server
from wizard.practice.aws.zones import Zone, ZoneBook, record_sets
from wizard.practice.ledger import Ledger
from wizard.practice.network import WEB_ADDRESS

ACCOUNT = "123456789012"
OTHER_ACCOUNT = "210987654321"
TAKEN_BUCKET = "taken-by-someone-else"
ADMIN_NAME = "practice-admin"
EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


@dataclass(frozen=True, slots=True)
class Seed:
    """What was put into a fresh account; `instance_id` belongs into the node's providerID."""

    zone_id: str
    instance_id: str


class AwsServer:
    """One account. `admin` is the operator's key, `internal` the world's own, whose calls change nothing.

    `settings` may be turned at any time, see `Settings`. moto keeps its data in the process:
    a second server at the same time needs another `account`, or start() raises RuntimeError.
    """

    _running: ClassVar[set[str]] = set()
    _running_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(
        self,
        ledger: Ledger,
        *,
        region: str = "eu-west-1",
        admin: AwsKeys | None = None,
        account: str = ACCOUNT,
        settings: Settings | None = None,
    ) -> None:
        self.region = region
        self.admin = admin or new_keys()
        self.internal = new_keys()
        self.settings = settings or Settings()
        self.account_number = account
        self._node = nodes.Node(account, region)
        self._account = Account(
            account, region, ADMIN_NAME, Callers(account, self.internal), self.settings, self._node.prepare
        )
        self._ledger = ledger
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        assert self._server is not None, "start() comes first"
        return f"http://127.0.0.1:{self._server.port}"

    def start(self) -> None:
        if self._server is not None:
            return
        with self._running_lock:
            if self.account_number in self._running:
                raise RuntimeError(
                    f"An AwsServer for account {self.account_number} runs in this process already."
                )
            self._running.add(self.account_number)
        self._make_admin()
        self._take_a_name()
        before = s3.BEFORE | iam.BEFORE | route53.BEFORE | balancers.BEFORE
        gate = Gate(self._account, self._ledger, before, s3.AFTER)
        self._server = make_server(gate, self._account.now)
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="practice-aws",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        if self._thread is not None:
            self._thread.join(2)
        self._server = self._thread = None
        moto_parts.forget_account(self.account_number)
        self._node.is_prepared = False
        with self._running_lock:
            self._running.discard(self.account_number)
            if not self._running:
                moto_parts.forget_account(OTHER_ACCOUNT)

    def seed(self, zone: str, domain: str | None = None) -> Seed:
        """A public zone whose record for `domain` (registry.<zone>) leads to the web server, and a node."""
        zone_id = self.add_zone(zone)
        found = route53.find_zone(self._account, zone_id)
        name = (domain or f"registry.{zone}").rstrip(".") + "."
        record = RecordSet(name, "A", 60, (WEB_ADDRESS,))
        with self._account.lock:
            route53.store(self._account, found, [*record_sets(found), record])
        return Seed(zone_id, self._node.instance_id)

    def add_zone(self, name: str, *, is_private: bool = False) -> str:
        """A hosted zone with its NS and SOA records; returns its ID."""
        return str(
            route53.new_zone(self._account, name, f"practice {name}", is_private=is_private).resource_id
        )

    def zones(self) -> list[Zone]:
        """The hosted zones as they are now, the first made first."""
        return list(self.zone_book().zones)

    def zone_book(self) -> ZoneBook:
        """The same, to look names up in."""
        return route53.zone_book(self._account)

    def dump(self) -> dict[str, Any]:
        """All that the account owns, canonically; see `inventory`."""
        return inventory.dump(self.account_number)

    def session(self, *, lasts_s: float = 3600.0) -> AwsKeys:
        """Temporary keys of the operator; with `lasts_s` of 0 or less they have expired already."""
        ends: datetime = self._account.now() + timedelta(seconds=lasts_s)
        return self._account.callers.new_session(ADMIN_NAME, ends)

    def warm_up(self) -> None:
        """Loads EC2 and the balancers, which otherwise happens at their first call (and takes a while)."""
        self._node.prepare()
        moto_parts.application("elb")

    def _make_admin(self) -> None:
        backend = moto_parts.backend("iam", self.account_number, "")
        user = backend.create_user(self.region, ADMIN_NAME, "/", [])
        user.put_policy("AdministratorAccess", EVERYTHING)
        key = moto_parts.part("iam.models", "AccessKey")(ADMIN_NAME, "AKIA", self.account_number)
        key.access_key_id, key.secret_access_key = self.admin.access_key_id, self.admin.secret_access_key
        key.create_date -= timedelta(days=30)
        user.access_keys.append(key)
        backend.access_keys[key.access_key_id] = key

    def _take_a_name(self) -> None:
        if TAKEN_BUCKET not in moto_parts.bucket_owners():
            moto_parts.backend("s3", OTHER_ACCOUNT, "").create_bucket(TAKEN_BUCKET, self.region)
