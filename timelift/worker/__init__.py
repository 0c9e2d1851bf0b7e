"""What runs inside a launch: the only room that may import a framework."""
