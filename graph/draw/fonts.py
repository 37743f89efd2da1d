"""A font for PNG and PDF on a machine that has none: the DejaVu fonts that matplotlib brings."""

from __future__ import annotations

import html
import os
import sys
import tempfile
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_FOLDERS_ELSEWHERE = {"darwin": ("/System/Library/Fonts", "/Library/Fonts"), "win32": ("C:/Windows/Fonts",)}

_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">{chosen}</include>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
</fontconfig>
"""

_made: list[tempfile.TemporaryDirectory[str]] = []  # deleted when the process ends


def provide() -> None:
    """Without any font PNG and PDF show boxes for letters: point Fontconfig to matplotlib's, or warn."""
    if not _found_or_given():
        warnings.warn(
            "no font was found: text in PNG and PDF will be boxes. Install one (Debian and Ubuntu: "
            "`apt install fonts-dejavu`), or matplotlib, which brings fonts (`pip install matplotlib`), or save "
            "as .svg, whose fonts are the reader's",
            stacklevel=3,
        )


@cache
def prepare() -> None:
    """``provide`` without its warning, once: before Graphviz measures the first text, to place a circuit."""
    _found_or_given()


def _found_or_given() -> bool:
    """Whether there is a font, now that matplotlib's are given to Fontconfig where it knows no other.

    Fontconfig reads ``FONTCONFIG_FILE`` at the first drawing that has text, so this comes before it. A
    configuration that the user chose is left alone if it names a font; else, and if ``FONTCONFIG_PATH`` names its
    folder, it is only added to.
    """
    chosen = os.environ.get("FONTCONFIG_FILE", "")
    if chosen and (not Path(chosen).is_file() or any(map(_has_fonts, _folders_of(Path(chosen), set())))):
        return True
    folders = (*_FOLDERS, *_FOLDERS_ELSEWHERE.get(sys.platform, ()))
    own = chosen or "FONTCONFIG_PATH" in os.environ
    if not own and any(_has_fonts(Path(f).expanduser()) for f in folders):
        return True
    shipped = _of_matplotlib()
    if shipped is None:
        return False
    _made.append(tempfile.TemporaryDirectory(prefix="bptt-fonts-"))
    folder = Path(_made[-1].name)
    places = {"fonts": shipped, "cache": folder, "chosen": Path(chosen).absolute() if chosen else "fonts.conf"}
    text = _CONFIGURATION.format_map({name: html.escape(str(place)) for name, place in places.items()})
    (folder / "bptt.conf").write_text(text, encoding="utf-8")
    os.environ["FONTCONFIG_FILE"] = str(folder / "bptt.conf")
    return True


def _folders_of(file: Path, seen: set[Path]) -> Iterator[Path]:
    """The folders of fonts that a configuration of Fontconfig names, and those that it includes."""
    seen.add(file)
    try:
        root = ET.parse(file).getroot()
    except (OSError, ET.ParseError):
        return
    for entry in root.iter("dir"):
        data = os.environ.get("XDG_DATA_HOME", "~/.local/share") if entry.get("prefix") == "xdg" else "."
        yield (Path(data) / Path(entry.text or "").expanduser()).expanduser()
    for entry in root.iter("include"):
        found = [folder / (entry.text or "").strip() for folder in (file.parent, Path("/etc/fonts"))]
        for path in [p for p in found if p.exists()][:1]:
            for more in sorted(path.glob("*.conf")) if path.is_dir() else [path]:
                if more not in seen:
                    yield from _folders_of(more, seen)


def _of_matplotlib() -> Path | None:
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data/fonts/ttf" if found and found.origin else None
    return folder if folder is not None and _has_fonts(folder) else None


def _has_fonts(folder: Path) -> bool:
    return folder.is_dir() and any(p.suffix in (".ttf", ".otf", ".ttc", ".pfb") for p in folder.rglob("*"))
