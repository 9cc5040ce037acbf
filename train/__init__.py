"""Where genre models will be made. Imports `model`, never `bot`; votes arrive as a file.

Nothing is here yet: the format it will write is `model.prompt.training_text`.
"""
