"""What a reader sees: tables and figures, for the terminal, Markdown, CSV, SVG and PNG."""
