"""The engine room: genres, the text format, where models come from, and the batching engine.

Knows no platform, no member and no database. Importing it loads neither torch nor transformers.
"""
