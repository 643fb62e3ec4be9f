"""The three themes, and which of them is meant: by the environment, else by what was chosen last.

All colours come from the themes, so a screen names meanings only. `high-contrast` tells its states apart by
blue, yellow and orange at clearly different brightness, which every kind of colour vision can.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs
from textual.theme import Theme

DARK, LIGHT, HIGH_CONTRAST = "dark", "light", "high-contrast"
VARIABLE = "KUBE_REGISTRY_THEME"
THEMES = (
    Theme(
        name=DARK,
        primary="#0178D4",
        secondary="#004578",
        accent="#FFA62B",
        warning="#FFA62B",
        error="#BA3C5B",
        success="#4EBF71",
        foreground="#E0E0E0",
    ),
    Theme(
        name=LIGHT,
        primary="#005A9C",
        secondary="#004578",
        accent="#7A3E9D",
        warning="#8A5A00",
        error="#B00020",
        success="#1B6E2E",
        foreground="#1A1A1A",
        background="#FAFAFA",
        surface="#EBEBEB",
        panel="#E0E0E0",
        dark=False,
    ),
    Theme(
        name=HIGH_CONTRAST,
        primary="#56B4E9",
        secondary="#56B4E9",
        accent="#F0E442",
        warning="#F0E442",
        error="#FF9D5C",
        success="#56B4E9",
        foreground="#FFFFFF",
        background="#000000",
        surface="#141414",
        panel="#1C1C1C",
        text_alpha=1.0,
        variables={"foreground-muted": "#D0D0D0", "text-muted": "#D0D0D0"},
    ),
)
TITLES: Mapping[str, str] = {
    DARK: "Colours: dark",
    LIGHT: "Colours: light",
    HIGH_CONTRAST: "Colours: high contrast, safe for colour blindness",
}


def chosen(environment: Mapping[str, str] = os.environ) -> str:
    """The theme's name; one that is not there counts as none."""
    for name in (environment.get(VARIABLE, ""), _saved()):
        if name in TITLES:
            return name
    return DARK


def save(name: str) -> None:
    """For the next start. Raises OSError."""
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(f"{name}\n", encoding="utf-8")


def _saved() -> str:
    try:
        return _path().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _path() -> Path:
    return Path(platformdirs.user_config_dir("kube-registry")) / "theme"
