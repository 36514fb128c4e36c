"""Soft delete: deleted rows stay, marked, and no statement sees them."""

from kysera_dbapi.plugins.soft_delete.rewriting import SoftDelete
from kysera_dbapi.plugins.soft_delete.settings import Clock, OnDelete

__all__ = ["Clock", "OnDelete", "SoftDelete"]
