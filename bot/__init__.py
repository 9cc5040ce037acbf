"""The front of the house: platforms, the story service, the queue and the store. No torch in here."""
