"""The plugins that come with the driver."""

from kysera_dbapi.plugins.rls import (
    Policy,
    RowLevelSecurity,
    filter_,
    tenant_isolation,
)
from kysera_dbapi.plugins.soft_delete import SoftDelete
from kysera_dbapi.plugins.timestamps import Timestamps

__all__ = [
    "Policy",
    "RowLevelSecurity",
    "SoftDelete",
    "Timestamps",
    "filter_",
    "tenant_isolation",
]
