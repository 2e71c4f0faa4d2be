"""The numbers inside filters: how they begin, what values they hold, what they look like."""
