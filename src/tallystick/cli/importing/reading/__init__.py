"""How a file becomes rows: `content` gives its text as UTF-8, `delimited`, `lines` and `parquet` its rows."""
