"""From findings to words, tables, figures and pages: never a decision."""
