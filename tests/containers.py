"""Database servers in containers, for machines where Docker answers."""

import atexit
import shutil
import subprocess
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

SECONDS = 120  # for a server to answer, its first start included


@dataclass(frozen=True)
class Image:
    """What is started for a kind of server, and the URL inside."""

    name: str
    port: int
    environment: Mapping[str, str]
    url: str


IMAGES = {
    "postgresql": Image(
        "postgres:17",
        5432,
        {"POSTGRES_HOST_AUTH_METHOD": "trust"},
        "postgresql://postgres@{place}/postgres",
    ),
    "mariadb": Image(
        "mariadb:11.4",
        3306,
        {"MARIADB_ALLOW_EMPTY_ROOT_PASSWORD": "1"},
        "mysql://root@{place}",
    ),
    "mysql": Image(
        "mysql:8.4",
        3306,
        {"MYSQL_ALLOW_EMPTY_PASSWORD": "1"},
        "mysql://root@{place}",
    ),
}


@cache
def available() -> bool:
    """Whether a Docker engine answers, and testcontainers is there to ask it."""
    if shutil.which("docker") is None or find_spec("testcontainers") is None:
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=10)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@cache
def start(kind: str, answers: Callable[[str], bool]) -> str:
    """Start a server of that kind, stopped when the run ends; return its URL."""
    image = IMAGES[kind]
    with warnings.catch_warnings(action="ignore"):  # theirs, not ours
        from testcontainers.core.container import DockerContainer

        container = DockerContainer(image.name).with_exposed_ports(image.port)
        for name, value in image.environment.items():
            container = container.with_env(name, value)
        atexit.register(container.stop)
        container.start()
        host = container.get_container_host_ip()
        place = f"{host}:{container.get_exposed_port(image.port)}"
    url = image.url.format(place=place)
    deadline = time.monotonic() + SECONDS
    while not answers(url):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{image.name} did not answer in {SECONDS} seconds")
        time.sleep(0.5)
    return url
