"""Which lines of a journal the history reads field by field."""

from timelift.journal import medians


def watched(monkeypatch):
    """The lines that are read as JSON, field by field, from now on."""
    slow, careful = [], medians.careful

    def read(line):
        slow.append(line)
        return careful(line)

    monkeypatch.setattr(medians, "careful", read)
    return slow
