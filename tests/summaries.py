"""Which lines of a journal the history reads field by field."""

from timelift.journal import brief


def watched(monkeypatch):
    """The lines that are read as JSON, field by field, from now on."""
    slow, careful = [], brief.careful

    def read(line):
        slow.append(line)
        return careful(line)

    monkeypatch.setattr(brief, "careful", read)
    return slow
