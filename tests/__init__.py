"""The tests: claims, one file a room of the core, plus whole-program tests."""
