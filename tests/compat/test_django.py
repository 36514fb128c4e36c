"""Django's ORM over ``install("sqlite3")``, with soft delete on its models' tables."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import tests.compat.django_program
from tests.compat.process import run_script
from tests.compat.shop import RAW, Driver, check


def django(driver: Driver, path: Path) -> list[Any]:
    """What the program saw; the driver says only whether it runs with the shim."""
    variant = "raw" if driver is RAW else "shim"
    file = path.with_suffix(".json")
    script = tests.compat.django_program.__file__
    run_script(script, variant, str(path), str(file))
    seen: list[Any] = json.loads(file.read_text())
    return seen


def test_a_django_program_sees_the_filtered_shop(tmp_path: Path) -> None:
    check(django, Driver(sqlite3), tmp_path)
