"""The plugins that come with the driver."""

from kysera_dbapi.plugins.soft_delete import SoftDelete

__all__ = ["SoftDelete"]
