"""Answers to the exercises of chapter 2."""

ANSWERS = {}
