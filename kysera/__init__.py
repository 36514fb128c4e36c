"""The toolkit over the driver. It has no content yet: see ``kysera_dbapi``."""
