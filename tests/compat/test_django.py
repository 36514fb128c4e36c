"""Django's ORM with soft delete on its models' tables, by install and by settings."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import tests.compat.django_program
from tests.compat.process import run_script
from tests.compat.shop import RAW, Driver, Program, check


def django(variant: str) -> Program:
    """The program, which runs raw or as ``variant`` says."""

    def program(driver: Driver, path: Path) -> list[Any]:
        file = path.with_suffix(".json")
        script = tests.compat.django_program.__file__
        run_script(script, "raw" if driver is RAW else variant, str(path), str(file))
        seen: list[Any] = json.loads(file.read_text())
        return seen

    return program


@pytest.mark.parametrize("variant", ["install", "factory"])
def test_a_django_program_sees_the_filtered_shop(variant: str, tmp_path: Path) -> None:
    check(django(variant), Driver(sqlite3), tmp_path)
