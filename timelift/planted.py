"""Twins for the self-test: copies of a strategy with a planted, known difference to it.

A twin runs the same code. `slower` is the share of calls that it makes without counting them: it
makes N(1 + slower) calls and bills N, which is an exact effect under the machine's own noise.
`worker.twins` does so.
"""

from dataclasses import dataclass

#: Between a strategy's name and that of its copy or twin; no name of a file may have it.
COPY_SEPARATOR = "@"


@dataclass(frozen=True)
class Plant:
    """What is changed in a twin.

    `slower` is a share, negative for faster, planted in one launch of `one_launch_in`;
    `first_call_seconds` are added to the first call alone. `own_path` loads the file from another
    path.
    """

    word: str
    slower: float = 0.0
    one_launch_in: int = 1
    first_call_seconds: float = 0.0
    own_path: bool = False

    def in_launch(self, launch: int) -> dict[str, float]:
        slower = self.slower if launch % self.one_launch_in == self.one_launch_in // 2 else 0.0
        effects = {"slower": slower, "first_call_seconds": self.first_call_seconds}
        return {name: effect for name, effect in effects.items() if effect}


#: The effect that a median over launches may miss.
RARE = Plant("one_in_4", slower=0.10, one_launch_in=4)
#: The twins of every strategy in a self-test.
PLANTS = (
    Plant("copy", own_path=True),
    Plant("first_call", first_call_seconds=0.2),
    RARE,
    Plant("-5%", slower=-0.05),
    Plant("+2%", slower=0.02),
    Plant("+3%", slower=0.03),
    Plant("+5%", slower=0.05),
    Plant("+10%", slower=0.10),
)
