"""Nested settings as one text per dotted name, for comparisons, tables and trackers."""

import json
from typing import Any


def flatten(settings: Any, prefix: str = "") -> dict[str, str]:
    """Return every setting as text, by dotted name; a list is one setting."""
    if isinstance(settings, dict) and settings:
        return {
            name: text
            for key, value in settings.items()
            for name, text in flatten(value, f"{prefix}.{key}" if prefix else str(key)).items()
        }
    return {prefix: setting_text(settings)}


def setting_text(setting: Any) -> str:
    """Return a setting as text: strings unchanged, ``none`` for null and empty lists or mappings, others as JSON."""
    if setting is None or (isinstance(setting, dict | list) and not setting):
        return "none"
    return setting if isinstance(setting, str) else json.dumps(setting, default=str, ensure_ascii=False)
