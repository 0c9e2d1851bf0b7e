"""timelift measures which way of applying one Keras layer to every step of a sequence is fastest.

The measuring wing runs strategies in fresh processes; the reading wing turns journals into words.
They meet in `timelift.case` (the vocabulary) and in the journal file, and nowhere else.
"""
