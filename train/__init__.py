"""Where genre models are made and judged. Imports `model`, never `bot`; votes arrive as a file."""
