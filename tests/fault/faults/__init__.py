"""Faults that tests make on purpose in trainings of the program, and what must be true after them."""
