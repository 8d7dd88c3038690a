"""A systemd unit of ours on a host, and the steps that make it as it should be. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .steps import InstallUnit, RemoveUnit, Step


@dataclass(frozen=True)
class Installed:
    """What is there of a unit: its files' text by path, and whether systemd starts it. ``folder`` is theirs
    alone."""

    unit: str
    folder: str
    files: Mapping[str, str]
    enabled: bool


def install(host: str, its: Installed, wanted: Mapping[str, str], why: str) -> list[Step]:
    """The step that makes the files of a unit those that are ``wanted``; none where they are."""
    if its.enabled and its.files == wanted:
        return []
    if its.files:
        why = "it is not as it should be" if its.files != wanted else "it is disabled"
    return [InstallUnit(host, why, its.unit, wanted, its.files, its.folder)]


def remove(host: str, its: Installed, why: str) -> list[Step]:
    """The step that takes it away; none where nothing of it is there."""
    if not (its.files or its.enabled):
        return []
    return [RemoveUnit(host, why, its.unit, tuple(its.files), its.folder)]
