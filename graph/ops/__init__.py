"""The op table, filled by kind of operation."""
