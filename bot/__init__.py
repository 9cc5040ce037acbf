"""The front of the house: platforms, the story service, queue and store. No torch in here."""
