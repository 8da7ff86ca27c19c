"""Reports of experiments, which take some training: see test_experiments.py."""

ANSWERS = {"ch01.compare": None, "ch02.sweep": None, "ch03.dead": None}
