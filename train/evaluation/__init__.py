"""How good a story model is: likelihood of held-out plots, and the stories it writes.

`run.evaluate` does all of it; the other modules each measure one thing and know no files.
"""
