"""Finding and reading ``config.env``, for the two that look at the environment: cli and definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mirror_pipeline.errors import SettingsError
from mirror_pipeline.settings import Settings, parse_settings

CONFIG_VARIABLE = "MIRROR_CONFIG"
DEFAULT_NAME = "config.env"


def load_settings(environ: Mapping[str, str], config: Path | None = None) -> Settings:
    """Settings from a named file, from the one ``MIRROR_CONFIG`` names, or from ``config.env`` here.

    Without any file the environment has to name the project itself.
    """
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    path = named or Path(DEFAULT_NAME)
    path = path.parent.resolve() / path.name  # the same folder, however it is written: nothing gets stale
    if path.is_file():
        return replace(parse_settings(_text(path), environ, path.parent, str(path)), config=path)
    if named is not None or not environ.get("ORBIT_PROJECT"):
        raise SettingsError(
            f"{path}: no such configuration file",
            hint="give --config FILE, or set ORBIT_PROJECT",
            file=str(path),
        )
    return parse_settings("", environ, path.parent, "environment")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SettingsError(f"{path}: cannot be read: {reason}", file=str(path)) from None
