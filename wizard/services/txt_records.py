"""TXT records in Route53 as dns-01 needs them: one value comes and goes, those of others stay.

A record set is replaced in one batch by its exact former value, so that a value that somebody adds at the
same moment is never lost: the batch is refused, and made anew.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from wizard.errors import Conflict, Problem, wizard_error

if TYPE_CHECKING:
    from wizard.services.aws import Aws

TTL_S = 60
TRIES = 6


class TxtRecords:
    """The TXT records of one hosted zone. Raises WizardError only."""

    def __init__(self, aws: "Aws", zone_id: str, comment: str) -> None:
        self._aws, self._zone_id, self._comment = aws, zone_id, comment

    def add(self, name: str, value: str) -> str:
        """The id of Route53's change, "" where the value is there already."""
        return self._change(name, _quoted(value), is_wanted=True)

    def remove(self, name: str, value: str) -> str:
        """As `add`; the record set goes with its last value."""
        return self._change(name, _quoted(value), is_wanted=False)

    def is_in_sync(self, change_id: str) -> bool:
        """Whether all name servers of Route53 know a change."""
        with self._aws.explained("route53:GetChange"):
            found = self._aws.client("route53").get_change(Id=change_id)
        return found["ChangeInfo"]["Status"] == "INSYNC"

    def _change(self, name: str, value: str, *, is_wanted: bool) -> str:
        for _ in range(TRIES):
            present = self._present(name)
            values = [each["Value"] for each in present["ResourceRecords"]] if present else []
            if (value in values) == is_wanted:
                return ""
            wanted = [*values, value] if is_wanted else [each for each in values if each != value]
            if (change_id := self._replace(name, present, wanted)) is not None:
                return change_id
        raise Conflict(
            Problem(
                "txt-record-contested",
                f"The TXT record {name} was changed again and again by somebody else.",
                "Another ACME client may be at work on the same name.",
                "Run the same command again in a minute.",
            )
        )

    def _present(self, name: str) -> dict[str, Any] | None:
        """The record set of exactly this name: the list begins with it, where there is one."""
        with self._aws.explained("route53:ListResourceRecordSets"):
            page: Any = self._aws.client("route53").list_resource_record_sets(
                HostedZoneId=self._zone_id, StartRecordName=name, StartRecordType="TXT", MaxItems="1"
            )
        found: list[dict[str, Any]] = [
            each
            for each in page["ResourceRecordSets"]
            if each["Type"] == "TXT" and each["Name"].rstrip(".").lower() == name.lower()
        ]
        if found and ("SetIdentifier" in found[0] or "ResourceRecords" not in found[0]):
            raise wizard_error(
                "txt-record-routed",
                f"The TXT record {name} has a routing policy.",
                why="Which of its values the CA would see cannot be foretold.",
                fix="Delete that record, or lead the name to another zone by a CNAME.",
            )
        return found[0] if found else None

    def _replace(self, name: str, present: dict[str, Any] | None, wanted: Sequence[str]) -> str | None:
        """None where the record set was changed meanwhile."""
        changes: list[dict[str, Any]] = []
        if present:
            changes.append({"Action": "DELETE", "ResourceRecordSet": present})
        if wanted:
            record_set = {
                "Name": f"{name}.",
                "Type": "TXT",
                "TTL": present["TTL"] if present else TTL_S,
                "ResourceRecords": [{"Value": each} for each in wanted],
            }
            changes.append({"Action": "CREATE", "ResourceRecordSet": record_set})
        batch: Any = {"Comment": self._comment, "Changes": changes}
        with self._aws.explained("route53:ChangeResourceRecordSets"):
            try:
                made = self._aws.client("route53").change_resource_record_sets(
                    HostedZoneId=self._zone_id, ChangeBatch=batch
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == "InvalidChangeBatch":
                    return None
                raise
        return str(made["ChangeInfo"]["Id"]).rpartition("/")[2]


def _quoted(value: str) -> str:
    return f'"{value}"'
