"""AWS of the practice world: moto behind a gate that makes it as strict as the real one."""

from wizard.practice.aws.callers import AwsKeys
from wizard.practice.aws.gate import Settings
from wizard.practice.aws.record_sets import RecordSet
from wizard.practice.aws.server import AwsServer, Seed
from wizard.practice.aws.zones import Zone, ZoneBook

__all__ = ["AwsKeys", "AwsServer", "RecordSet", "Seed", "Settings", "Zone", "ZoneBook"]
