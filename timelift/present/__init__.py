"""From findings to words, tables, figures, pages and exports: never a decision."""
