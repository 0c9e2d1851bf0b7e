"""List the studies: `python -m studies`."""

from studies import STUDIES
from studies.scoreboard import Column, Scoreboard

if __name__ == "__main__":
    columns = Column("python -m studies.…"), Column("what it shows")
    Scoreboard(columns, words=2).show(list(STUDIES.items()))
