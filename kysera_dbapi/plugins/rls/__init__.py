"""Row-level security: which rows may be seen, and which may be written."""

from kysera_dbapi.plugins.rls.policy import Policy, filter_, tenant_isolation
from kysera_dbapi.plugins.rls.security import RowLevelSecurity

__all__ = ["Policy", "RowLevelSecurity", "filter_", "tenant_isolation"]
