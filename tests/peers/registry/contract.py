"""Where the three registries do not agree."""

from collections.abc import Mapping
from typing import Literal

from tests.peers.differences import Difference, Differences

# Where the stand-in answers as neither release does.
DIFFERENCES: Differences = {
    "test_several_ranges_come_as_several_parts": Difference(
        "It sends the whole blob, as any server may; no client of registries asks for several ranges.",
        "test_whoever_asks_for_several_ranges_is_told_what_came",
        ("stand-in",),
    ),
    "test_all_missing_blobs_are_told_at_once": Difference(
        "It names the first one.", "test_missing_blobs_can_be_told_one_after_the_other", ("stand-in",)
    ),
}

# Where the releases differ among themselves, and with which of them the stand-in holds.
# That is no difference of practice: a real registry answers just so.
RELEASES: Mapping[str, Literal["2.8", "3"]] = {
    "test_a_piece_that_is_sent_twice_is_refused": "2.8",
    "test_a_piece_that_leaves_a_gap_is_refused": "3",
    "test_a_range_that_is_none_brings_nothing": "3",
    "test_an_oci_index_for_clients_that_do_not_ask_for_one": "3",
    "test_the_tags_of_a_repository_that_is_not_there": "2.8",
    "test_pages_are_not_too_large": "3",
    "test_a_tag_alone_can_be_deleted_from_version_3_on": "3",
}
