"""What is known of the registry's images by their tags: major version, and the regions their SDK knows."""

import re

# Regions inside the AWS SDK that is built into the image; the driver refuses all others at its start
# ("invalid region provided") unless it is given an endpoint.
KNOWN_TO_VERSION_2 = frozenset(
    {
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
        "ca-central-1",
        "sa-east-1",
        "eu-west-1",
        "eu-west-2",
        "eu-west-3",
        "eu-central-1",
        "ap-south-1",
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-southeast-1",
        "ap-southeast-2",
        "cn-north-1",
        "cn-northwest-1",
        "us-gov-west-1",
    }
)
KNOWN_TO_VERSION_3 = KNOWN_TO_VERSION_2 | frozenset(
    {
        "ca-west-1",
        "eu-central-2",
        "eu-north-1",
        "eu-south-1",
        "eu-south-2",
        "af-south-1",
        "me-south-1",
        "me-central-1",
        "il-central-1",
        "ap-east-1",
        "ap-south-2",
        "ap-northeast-3",
        "ap-southeast-3",
        "ap-southeast-4",
        "us-gov-east-1",
    }
)


def major_version(image: str) -> int:
    """2 or 3, by the tag; 3 where the tag does not tell (a digest, latest, a private mirror's own tag)."""
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    return 2 if re.match(r"v?2(?:\.|$|-)", tag) else 3


def knows_region(image: str, aws_region: str) -> bool:
    """Whether the registry in this image starts for the region without an endpoint of its own."""
    known = KNOWN_TO_VERSION_2 if major_version(image) == 2 else KNOWN_TO_VERSION_3
    return aws_region in known


def region_endpoint(aws_region: str) -> str:
    """The S3 endpoint of a region that the image does not know."""
    suffix = "amazonaws.com.cn" if aws_region.startswith("cn-") else "amazonaws.com"
    return f"https://s3.{aws_region}.{suffix}"
