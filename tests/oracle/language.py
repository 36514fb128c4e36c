"""What writes the statements that a database takes: by default those of SQLite."""

from dataclasses import dataclass

from tests.oracle.draft import Draft
from tests.oracle.schema import Schema
from tests.oracle.selects import Selects
from tests.oracle.tenant_writes import TenantWrites
from tests.oracle.writes import Writes


@dataclass(frozen=True)
class Language:
    """The classes of the generators."""

    drafts: type[Draft] = Draft
    selects: type[Selects] = Selects
    plain_writes: type[Writes] = Writes
    tenant_writes: type[TenantWrites] = TenantWrites
    limits: bool = False  # LIMIT on UPDATE and DELETE

    def writes(self, schema: Schema) -> type[Writes]:
        return self.tenant_writes if schema.tenants else self.plain_writes
