"""The dialects that come with kysera: one module a database."""
