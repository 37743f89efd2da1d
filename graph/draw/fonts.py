"""A font for PNG and PDF on a machine that has none: the DejaVu fonts that matplotlib brings."""

from __future__ import annotations

import html
import os
import sys
import tempfile
import warnings
from importlib.util import find_spec
from pathlib import Path

_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_FOLDERS_ELSEWHERE = {"darwin": ("/System/Library/Fonts", "/Library/Fonts"), "win32": ("C:/Windows/Fonts",)}

_CONFIGURATION = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">fonts.conf</include>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <alias><family>serif</family><prefer><family>DejaVu Serif</family></prefer></alias>
</fontconfig>
"""

_made: list[tempfile.TemporaryDirectory[str]] = []  # deleted when the process ends


def provide() -> None:
    """Without any font PNG and PDF show boxes for letters: point Fontconfig to matplotlib's, or warn.

    Fontconfig reads ``FONTCONFIG_FILE`` at the first drawing that has text, so this comes before it. A
    configuration that the user chose is left alone; one that ``FONTCONFIG_PATH`` names is only added to.
    """
    if "FONTCONFIG_FILE" in os.environ:
        return
    folders = (*_FOLDERS, *_FOLDERS_ELSEWHERE.get(sys.platform, ()))
    if "FONTCONFIG_PATH" not in os.environ and any(_has_fonts(Path(f).expanduser()) for f in folders):
        return
    shipped = _of_matplotlib()
    if shipped is None:
        warnings.warn(
            "no font was found: text in PNG and PDF will be boxes. Install one (Debian and Ubuntu: "
            "`apt install fonts-dejavu`), or matplotlib, which brings fonts (`pip install matplotlib`), or save "
            "as .svg, whose fonts are the reader's",
            stacklevel=3,
        )
        return
    _made.append(tempfile.TemporaryDirectory(prefix="bptt-fonts-"))
    folder = Path(_made[-1].name)
    text = _CONFIGURATION.format(fonts=html.escape(str(shipped)), cache=html.escape(str(folder)))
    (folder / "bptt.conf").write_text(text, encoding="utf-8")
    os.environ["FONTCONFIG_FILE"] = str(folder / "bptt.conf")


def _of_matplotlib() -> Path | None:
    found = find_spec("matplotlib")
    folder = Path(found.origin).parent / "mpl-data/fonts/ttf" if found and found.origin else None
    return folder if folder is not None and _has_fonts(folder) else None


def _has_fonts(folder: Path) -> bool:
    return folder.is_dir() and any(p.suffix in (".ttf", ".otf", ".ttc", ".pfb") for p in folder.rglob("*"))
