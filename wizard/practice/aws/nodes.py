"""The EC2 instance behind the practice cluster's node; made at the first call that needs EC2.

EC2 is by far the heaviest part of moto, and most of a session does without it.
"""

import secrets
import threading

from wizard.practice.aws import moto_parts


class Node:
    """`instance_id` is known at once, so that the cluster can name it in the node's providerID."""

    def __init__(self, account: str, aws_region: str) -> None:
        self.instance_id = f"i-{secrets.token_hex(8)}1"
        self.is_prepared = False
        self._account = account
        self._aws_region = aws_region
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Makes the instance, and tags the default subnets as those of public balancers."""
        with self._lock:
            if self.is_prepared:
                return
            ec2 = moto_parts.backend("ec2", self._account, self._aws_region)
            reservation = ec2.run_instances(
                None,
                1,
                None,
                [],
                instance_type=moto_parts.INSTANCE_TYPE,
                is_instance_type_default=False,
                region_name=self._aws_region,
                placement=f"{self._aws_region}a",
                security_group_ids=[],
                tags={"instance": {"Name": "practice-node"}},
            )
            reservation.instances[0].id = self.instance_id
            subnets = [subnet.id for subnet in ec2.get_default_subnets().values()]
            ec2.create_tags(subnets, {"kubernetes.io/role/elb": "1"})
            self.is_prepared = True
