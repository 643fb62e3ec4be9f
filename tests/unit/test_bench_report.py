"""Where the measured table goes in the README."""

import pytest

from bench.report import BEGIN, END, into_readme

TABLE = "# Title\n\n| new |\n"


def test_only_what_stands_between_the_marks_is_made_anew() -> None:
    made = into_readme(f"before\n{BEGIN}\n| old |\n{END}\nafter\n", TABLE)
    assert made == f"before\n{BEGIN}\n\n| new |\n\n{END}\nafter\n"
    assert into_readme(made, TABLE) == made


@pytest.mark.parametrize(
    "text",
    ["none", BEGIN, END, f"{END} {BEGIN}", f"{BEGIN} {BEGIN} {END}", f"{BEGIN} {END} {END}"],
)
def test_a_readme_without_one_place_for_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        into_readme(text, TABLE)
